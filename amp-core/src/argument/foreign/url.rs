//! The URLs of `url`: Unicode.

use url::Url;

use crate::argument::displayed::displayed;

displayed! {
    /// Unicode: an absolute URL, in the form of the URL Standard, which may differ from the received form.
    Url: "a URL", 6 for each byte;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        assert_linear, assert_malformed, assert_round_trip, assert_wire, decode,
    };

    #[test]
    fn urls_are_text() {
        for url in ["http://example.com/", "file:///tmp/x", "urn:isbn:1", "http://[::1]:8080/?a#b"]
        {
            assert_wire(url.parse::<Url>().unwrap(), url);
        }
        let url: Url = decode("HTTP://B\u{fc}cher.example".as_bytes()).unwrap();
        assert_wire(url, "http://xn--bcher-kva.example/");
    }

    #[test]
    fn what_is_not_a_url_is_refused() {
        for other in [&b""[..], b"x", b"/a", b"//a/b", b"http://", b"http://a:b/", b"http://\xff/"]
        {
            assert_malformed::<Url>(other, "a URL");
        }
    }

    #[test]
    fn the_longest_values_take_little_time() {
        for part in ["a", "a.", "%41", "/..", "\u{fc}", "xn--a-", "@", ":1", "[", "0.", "%25"] {
            for before in ["http://", "http:", "x:", "http://a/", "http:a/", "x:a/"] {
                let url = |len| before.to_owned() + &part.repeat(len / part.len());
                assert_linear(65_500, url, |url| drop(decode::<Url>(url.as_bytes())));
            }
        }
    }

    proptest! {
        #[test]
        fn any_url_comes_back(bytes: Vec<u8>, near in "(https?|file|x):/{0,3}[a-z0-9.:@%?#/]{0,20}") {
            let _ = decode::<Url>(&bytes);
            if let Ok(url) = decode::<Url>(near.as_bytes()) {
                assert_round_trip(&url);
            }
        }
    }
}
