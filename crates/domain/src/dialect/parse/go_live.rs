//! The `[go_live]` table of a dialect file.

use super::{Problem, problem};
use crate::dialect::go_live::{GoLive, Item};
use crate::mode::Mode;

/// Most items: all of them stand on one page.
const ITEMS_MAX: usize = 100;
/// Longest name of one, and longest title. Bytes.
const NAME_BYTES_MAX: usize = 64;
const TITLE_BYTES_MAX: usize = 200;

pub(super) fn check_go_live(list: GoLive) -> Result<GoLive, Problem> {
    if list.items.is_empty() || list.items.len() > ITEMS_MAX {
        return problem("go_live.items", format!("must be 1 to {ITEMS_MAX} items"));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    for (place, item) in list.items.iter().enumerate() {
        let at = |field: &str| format!("go_live.items[{place}].{field}");
        if item.name.is_empty() || item.name.len() > NAME_BYTES_MAX || !item.name.bytes().all(plain) {
            return problem(at("name"), format!("must be 1 to {NAME_BYTES_MAX} lower-case letters, digits and `-`"));
        }
        if list.items.iter().take(place).any(|before| before.name == item.name) {
            return problem(at("name"), "stands there twice");
        }
        if item.title.trim().is_empty() || item.title.len() > TITLE_BYTES_MAX {
            return problem(at("title"), format!("must be 1 to {TITLE_BYTES_MAX} bytes"));
        }
    }
    let is_required = |item: &Item| item.mode == Mode::Test && !item.is_recommended;
    if list.blocks_live_keys && !list.items.iter().any(is_required) {
        return problem("go_live.blocks_live_keys", "needs a required item of test mode: the others need a live key");
    }
    Ok(list)
}
