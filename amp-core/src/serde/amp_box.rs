//! `AmpBox` in other formats: a map.

use std::fmt;

use ::serde::de::{Error, MapAccess, SeqAccess, Visitor};
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::boxes::AmpBox;

/// A map of bytes to bytes. In formats for people, what is UTF-8 is text.
impl Serialize for AmpBox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (Octets(key), Octets(value))))
    }
}

/// A map; each key and each value is bytes, text, or a sequence of numbers below 256.
impl<'de> Deserialize<'de> for AmpBox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfMap)
    }
}

struct Octets<'a>(&'a [u8]);

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.0) {
            Ok(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => serializer.serialize_bytes(self.0),
        }
    }
}

struct OwnedOctets(Vec<u8>);

impl<'de> Deserialize<'de> for OwnedOctets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(OfOctets)
        } else {
            deserializer.deserialize_byte_buf(OfOctets)
        }
    }
}

struct OfMap;

impl<'de> Visitor<'de> for OfMap {
    type Value = AmpBox;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a box: a map of bytes to bytes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AmpBox, A::Error> {
        let mut pairs = Vec::new();
        while let Some((OwnedOctets(key), OwnedOctets(value))) = map.next_entry()? {
            pairs.push((key, value));
        }
        // In order, each is put at the end. In another, each would move those behind it.
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut ampbox = AmpBox::new();
        for (key, value) in pairs {
            if ampbox.insert(&key, value).map_err(Error::custom)? {
                let key = crate::argument::Shortened::new(key);
                return Err(Error::custom(crate::boxes::BoxError::DuplicateKey { key }));
            }
        }
        Ok(ampbox)
    }
}

struct OfOctets;

impl<'de> Visitor<'de> for OfOctets {
    type Value = OwnedOctets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes or text")
    }

    fn visit_str<E>(self, text: &str) -> Result<OwnedOctets, E> {
        Ok(OwnedOctets(text.into()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<OwnedOctets, E> {
        Ok(OwnedOctets(bytes.into()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<OwnedOctets, E> {
        Ok(OwnedOctets(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OwnedOctets, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(OwnedOctets(bytes))
    }
}
