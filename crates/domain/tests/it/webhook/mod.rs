//! Webhooks as the dialects describe them.

mod circuit;
mod routing;
mod schedule;
mod signature;
mod target;

use keymint_domain::dialect::{BUILT_IN, Dialect};
use keymint_domain::webhook::Webhooks;

/// What a built-in dialect says.
fn of(name: &str) -> Webhooks {
    let (_, text) = BUILT_IN.iter().find(|(file, _)| file.strip_suffix(".toml") == Some(name)).expect("it is built in");
    Dialect::parse(text).expect("it parses").webhooks.expect("it has webhooks")
}

#[test]
fn ks_pay_documents_no_webhook_of_its_own_and_the_others_do() {
    let with: Vec<_> = BUILT_IN
        .iter()
        .map(|(_, text)| Dialect::parse(text).expect("it parses"))
        .filter(|dialect| dialect.webhooks.is_some())
        .map(|dialect| dialect.name.to_string())
        .collect();
    assert_eq!(with, ["keymint", "razorpay", "kwikpaisa", "kpay"]);
}
