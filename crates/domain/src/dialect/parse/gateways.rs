//! The `[[gateway]]` tables of a dialect file.

use super::{Problem, check_header, problem};
use crate::dialect::gateways::Gateway;
use crate::webhook::signature::{KeyText, Part};

/// Most gateways: all of them stand on one page.
const GATEWAYS_MAX: usize = 50;
/// Longest name of one. Bytes.
const NAME_BYTES_MAX: usize = 32;

pub(super) fn check_gateways(gateways: Vec<Gateway>) -> Result<Vec<Gateway>, Problem> {
    if gateways.len() > GATEWAYS_MAX {
        return problem("gateway", format!("must be at most {GATEWAYS_MAX}"));
    }
    for (place, gateway) in gateways.iter().enumerate() {
        let at = |field: &str| format!("gateway[{place}].{field}");
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if gateway.name.is_empty() || gateway.name.len() > NAME_BYTES_MAX || !gateway.name.bytes().all(plain) {
            return problem(at("name"), format!("must be 1 to {NAME_BYTES_MAX} lower-case letters, digits and `-`"));
        }
        if gateways.iter().take(place).any(|before| before.name == gateway.name) {
            return problem(at("name"), "stands there twice");
        }
        check_header(&at("signing.header"), &gateway.signing.header)?;
        // What a gateway sends has neither an id nor a time of ours.
        if gateway.signing.parts != [Part::Body] || gateway.signing.key != KeyText::Plain {
            return problem(at("signing.parts"), "must be `[\"body\"]`, with the secret as it stands for the key");
        }
        for (field, pointer) in [("event", &gateway.event), ("order", &gateway.order), ("payment", &gateway.payment)] {
            if !pointer.starts_with('/') {
                return problem(at(field), "must be a JSON pointer such as `/payload/payment/entity/order_id`");
            }
        }
        if gateway.paid.is_empty() {
            return problem(at("paid"), "must name an event");
        }
    }
    Ok(gateways)
}
