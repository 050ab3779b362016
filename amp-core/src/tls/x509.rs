use std::time::Duration;
use tokio_rustls::rustls::CertificateError;
use tokio_rustls::rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};

/// What is read here of a certificate of any version; rustls reads version 3 only.
pub(super) struct Certificate<'a> {
    /// The first and the last second at which it is valid, since 1970.
    validity: [u64; 2],
    public_key: &'a [u8],
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

impl<'a> Certificate<'a> {
    /// Nothing is checked but the form of what is needed.
    pub(super) fn read(der: &'a CertificateDer<'_>) -> Result<Self, CertificateError> {
        Self::parse(der).ok_or(CertificateError::BadEncoding)
    }

    fn parse(der: &'a [u8]) -> Option<Self> {
        let mut signed = Elements(Elements(der).take(SEQUENCE)?.content);
        let mut fields = Elements(signed.take(SEQUENCE)?.content);
        if fields.0.first() == Some(&VERSION) {
            fields.take(VERSION)?;
        }
        fields.take(INTEGER)?; // the serial number
        fields.take(SEQUENCE)?; // the algorithm of the signature
        fields.take(SEQUENCE)?; // the issuer
        let mut times = Elements(fields.take(SEQUENCE)?.content);
        let validity = [times.take_time()?, times.take_time()?];
        fields.take(SEQUENCE)?; // the subject
        let public_key = fields.take(SEQUENCE)?.whole;
        Some(Self { validity, public_key })
    }

    pub(super) fn verify_time(&self, now: UnixTime) -> Result<(), CertificateError> {
        let [first, last] = self.validity;
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        if now.as_secs() < first {
            Err(CertificateError::NotValidYetContext { time: now, not_before: at(first) })
        } else if now.as_secs() > last {
            Err(CertificateError::ExpiredContext { time: now, not_after: at(last) })
        } else {
            Ok(())
        }
    }

    pub(super) fn public_key(&self) -> SubjectPublicKeyInfoDer<'a> {
        self.public_key.into()
    }
}

/// Returns the seconds at which a certificate begins and ceases to be valid, and its public key.
#[cfg(fuzzing)]
pub fn read<'a>(der: &'a CertificateDer<'_>) -> Option<([u64; 2], &'a [u8])> {
    let certificate = Certificate::read(der).ok()?;
    Some((certificate.validity, certificate.public_key))
}

/// Elements of DER, one after another.
struct Elements<'a>(&'a [u8]);

struct Element<'a> {
    content: &'a [u8],
    /// With its tag and length.
    whole: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Returns the next element, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        let (&[found, first], rest) = self.0.split_first_chunk()?;
        let (len, rest) = match first {
            0..=0x7f => (first.into(), rest),
            0x81 => {
                let (&len, rest) = rest.split_first()?;
                (len.into(), rest)
            }
            // No certificate in TLS is longer than what three bytes say.
            0x82 => {
                let (&len, rest) = rest.split_first_chunk()?;
                (u16::from_be_bytes(len).into(), rest)
            }
            0x83 => {
                let (&[high, middle, low], rest) = rest.split_first_chunk()?;
                (u32::from_be_bytes([0, high, middle, low]).try_into().ok()?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        (found == tag).then_some(Element { content, whole })
    }

    /// Returns a time, as seconds since 1970. None was before.
    fn take_time(&mut self) -> Option<u64> {
        let tag = *self.0.first()?;
        let text = str::from_utf8(self.take(tag)?.content).ok()?.strip_suffix('Z')?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                let year = number(year)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = text.split_at_checked(4)?;
                (number(year)?, rest)
            }
            _ => return None,
        };
        if rest.len() != 10 {
            return None;
        }
        let part = |at: usize| number(rest.get(at..at + 2)?);
        let (month, day) = (part(0)?, part(2)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let seconds = (part(4)? * 60 + part(6)?) * 60 + part(8)?;
        let days = days_before(year, month)? + day - 1;
        Some(days * 24 * 60 * 60 + seconds)
    }
}

/// Days from the beginning of 1970 to that of a month of the Gregorian calendar.
fn days_before(year: u64, month: u64) -> Option<u64> {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let before_year = 365 * year.checked_sub(1970)? + leap_days(year - 1) - leap_days(1969);
    let months = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let before_month = months.get(usize::try_from(month - 1).ok()?)?;
    Some(before_year + before_month + u64::from(month > 2 && leap(year)))
}

fn number(digits: &str) -> Option<u64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    /// Of version 1, as `KeyPair.generate().selfSignedCert(1, CN="x")` makes them in Twisted.
    const VERSION_1: &str = include_str!("../../tests/data/version_1.pem");

    /// As `openssl x509 -dates` has it.
    const VALIDITY: [u64; 2] = [1_795_376_657, 1_826_912_657];

    #[test]
    fn dates_are_counted_as_the_calendar_has_them() {
        // As `date --utc --date=... +%s` has them.
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "991231235959Z", 946_684_799),
            (UTC_TIME, "000229000000Z", 951_782_400),
            (UTC_TIME, "000301000000Z", 951_868_800),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
            (GENERALIZED_TIME, "20240229120000Z", 1_709_208_000),
            (GENERALIZED_TIME, "21000301000000Z", 4_107_542_400),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(Elements(&element(tag, text)).take_time(), Some(seconds), "{text}");
        }
        for (tag, text) in [
            (UTC_TIME, "691231235959Z"),
            (UTC_TIME, "700101000000"),
            (UTC_TIME, "7001010000Z"),
            (UTC_TIME, "701301000000Z"),
            (UTC_TIME, "700100000000Z"),
            (UTC_TIME, "70+101000000Z"),
            (UTC_TIME, "Z"),
            (GENERALIZED_TIME, "00000101000000Z"),
            (GENERALIZED_TIME, "7001010000000Z"),
            (INTEGER, "700101000000Z"),
        ] {
            assert_eq!(Elements(&element(tag, text)).take_time(), None, "{text}");
        }
    }

    #[test]
    fn a_certificate_of_version_1_is_read() {
        let der = CertificateDer::from_pem_slice(VERSION_1.as_bytes()).unwrap();
        let certificate = Certificate::read(&der).unwrap();
        assert_eq!(certificate.validity, VALIDITY);
        assert_eq!(certificate.public_key[0], SEQUENCE);
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let verify = |seconds| certificate.verify_time(at(seconds)).is_ok();
        let [first, last] = VALIDITY;
        assert_eq!([first - 1, first, last, last + 1].map(verify), [false, true, true, false]);
    }

    #[test]
    fn what_is_cut_off_is_an_error_and_nothing_worse() {
        let der = CertificateDer::from_pem_slice(VERSION_1.as_bytes()).unwrap();
        for len in 0..der.len() {
            let cut = CertificateDer::from(&der[..len]);
            assert!(Certificate::read(&cut).is_err(), "{len} bytes");
        }
    }

    fn element(tag: u8, content: &str) -> Vec<u8> {
        [&[tag, content.len().try_into().unwrap()], content.as_bytes()].concat()
    }
}
