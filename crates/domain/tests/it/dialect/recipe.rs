//! A recipe's keyed digest beside another library's.

use std::net::{IpAddr, Ipv4Addr};

use aws_lc_rs::hmac;
use keymint_domain::dialect::recipe::{Digest, Encoding, Ingredients, Part, Recipe};
use keymint_domain::request::RequestView;

#[test]
fn the_digest_is_that_of_another_library_for_keys_and_bodies_around_every_block() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(400).collect();
    for digest in [Digest::HmacSha256, Digest::HmacSha512] {
        let recipe = Recipe {
            parts: vec![Part::Timestamp, Part::Literal(".".to_owned()), Part::Body],
            digest,
            encoding: Encoding::Hex,
            canonical_bytes_max: 0,
            forms: Vec::new(),
        };
        for key in [1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200].map(|length| &bytes[..length]) {
            for body in
                [0, 1, 43, 44, 52, 53, 54, 63, 64, 107, 108, 116, 117, 128, 256, 400].map(|length| &bytes[..length])
            {
                let view = RequestView {
                    method: "POST",
                    scheme: "https",
                    authority: "pay.example",
                    target: "/v1/orders",
                    route_at: 0,
                    headers: &[],
                    body,
                    client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                };
                let ingredients = Ingredients { view: &view, timestamp: "1778659835", key_id: "k" };
                let message = [b"1778659835.", body].concat();
                let tag = hmac::sign(&hmac::Key::new(digest.algorithm(), key), &message);
                let of = format!("{digest:?}, a key of {}, a body of {}", key.len(), body.len());
                assert_eq!(recipe.sign(ingredients, key), data_encoding::HEXLOWER.encode(tag.as_ref()), "{of}");
                assert!(recipe.verify(ingredients, key, tag.as_ref()), "{of}");
                let other = hmac::sign(&hmac::Key::new(digest.algorithm(), &[key, b"x"].concat()), &message);
                assert!(!recipe.verify(ingredients, key, other.as_ref()), "{of}, of another key");
            }
        }
    }
}
