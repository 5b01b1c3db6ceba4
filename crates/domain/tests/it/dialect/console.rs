//! What a dialect says for the console and the sandbox beside it: checklists, gateways, test cards, codes. Each fault with
//! its field, and beside it the same edit one step less far.

use keymint_domain::dialect::gateways::Told;
use keymint_domain::dialect::{AddressesProof, Dialect};
use keymint_domain::mode::Mode;
use serde_json::{Value, json};

use crate::fixture::dialect;

const RAZORPAY: &str = include_str!("../../../dialects/razorpay.toml");
const KSPAY: &str = include_str!("../../../dialects/kspay.toml");
const KWIKPAISA: &str = include_str!("../../../dialects/kwikpaisa.toml");

#[test]
fn each_fault_names_its_field() {
    for (text, from, to, field) in [
        (RAZORPAY, "proof = \"phone_and_mail\"", "proof = \"phone\"", "restrictions.addresses_proof"),
        (RAZORPAY, "test_code = \"754081\"", "test_code = \"75408\"", "webhooks.test_code"),
        (RAZORPAY, "test_code = \"754081\"", "test_code = \"7540811\"", "webhooks.test_code"),
        (RAZORPAY, "test_code = \"754081\"", "test_code = \"75408x\"", "webhooks.test_code"),
        (RAZORPAY, "number = \"/card/number\"", "number = \"card\"", "test_cards.number"),
        (RAZORPAY, "\"POST /v1/payments/create/json\"", "\"/v1/payments\"", "test_cards.routes[0]"),
        (RAZORPAY, "\"4100280000001007\"", "\"41002800000\"", "test_cards.values[0]"),
        (RAZORPAY, "\"4100280000001007\"", "\"4100 2800 0000 1007\"", "test_cards.values[0]"),
        (RAZORPAY, "[\"test_card_in_live\"]", "[]", "errors.answer"),
        (KWIKPAISA, "name = \"order-failed\"", "name = \"order-created\"", "go_live.items[3].name"),
        (KWIKPAISA, "name = \"test-key\"", "name = \"Test key\"", "go_live.items[0].name"),
        (KWIKPAISA, "title = \"Webhook logging\"", "title = \" \"", "go_live.items[25].title"),
        (KWIKPAISA, "seen_by = \"addresses\"", "seen_by = \"weather\"", "go_live.items[20].seen_by"),
        (KSPAY, "event = \"/event\"", "event = \"event\"", "gateway[0].event"),
        (KSPAY, "name = \"razorpay\"", "name = \"Razor/Pay\"", "gateway[0].name"),
        (KSPAY, "parts = [\"body\"]", "parts = [\"timestamp\", \"body\"]", "gateway[0].signing.parts"),
        (KSPAY, "paid = [\"payment.captured\", \"order.paid\"]", "paid = []", "gateway[0].paid"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Dialect::parse(&text.replacen(from, to, 1)).err().unwrap_or_else(|| panic!("{to} was taken"));
        assert_eq!(error.field, field, "{to}: {error}");
    }
    for (text, from, to) in [
        (RAZORPAY, "test_code = \"754081\"", "test_code = \"000000\""),
        (RAZORPAY, "\"4100280000001007\"", "\"410028000000\""),
        (RAZORPAY, "\"4100280000001007\"", "\"4100280000001007000\""),
        (KWIKPAISA, "name = \"test-key\"", "name = \"t-1\""),
        (KSPAY, "event = \"/event\"", "event = \"/\""),
    ] {
        Dialect::parse(&text.replacen(from, to, 1)).unwrap_or_else(|error| panic!("{to}: {error}"));
    }
}

#[test]
fn a_checklist_that_blocks_has_something_to_do_in_test_mode() {
    let live = KWIKPAISA.replace("mode = \"test\"", "mode = \"live\"");
    let error = Dialect::parse(&live).expect_err("nothing is to be done before the first live key");
    assert_eq!(error.field, "go_live.blocks_live_keys");
    let one = live.replacen("mode = \"live\"", "mode = \"test\"", 1);
    Dialect::parse(&one).expect("one item");
    let recommended = one.replacen("mode = \"test\"", "mode = \"test\", is_recommended = true", 1);
    assert_eq!(Dialect::parse(&recommended).expect_err("none is required").field, "go_live.blocks_live_keys");
    let lists = dialect("kwikpaisa").go_live.as_ref().expect("a list");
    assert!(lists.blocks_live_keys && lists.items.iter().any(|item| item.mode == Mode::Live));
    assert!(lists.find("reconciliation").is_some_and(|item| item.seen_by.is_none()));
    assert!(lists.find("Reconciliation").is_none());
}

#[test]
fn only_razorpay_asks_for_two_codes_and_knows_a_code_of_test_mode() {
    for name in ["keymint", "kwikpaisa", "kspay", "razorpay", "kpay"] {
        let dialect = dialect(name);
        let (proof, code) =
            (dialect.addresses_proof, dialect.webhooks.as_ref().and_then(|one| one.test_code.as_deref()));
        let is_it = name == "razorpay";
        assert_eq!(proof == AddressesProof::PhoneAndMail, is_it, "{name}");
        assert_eq!(code, is_it.then_some("754081"), "{name}");
    }
}

#[test]
fn a_gateway_says_what_became_of_which_order_and_of_nothing_else() {
    let gateway = dialect("kspay").gateways.first().expect("one");
    let body = |event: &str| json!({ "event": event, "payload": { "payment": { "entity": { "id": "pay_1", "order_id": "order_1" } } } });
    let told = |is_paid| Some(Told { is_paid, order: "order_1".to_owned(), payment: "pay_1".to_owned() });
    assert_eq!(gateway.told(&body("payment.captured")), told(true));
    assert_eq!(gateway.told(&body("order.paid")), told(true));
    assert_eq!(gateway.told(&body("payment.failed")), told(false));
    for other in [
        body("payment.authorized"),
        body("Payment.captured"),
        json!({ "event": "payment.captured" }),
        json!({ "event": 1, "payload": { "payment": { "entity": { "order_id": "order_1" } } } }),
        json!({ "event": "payment.captured", "payload": { "payment": { "entity": { "order_id": 7 } } } }),
        json!([]),
        Value::Null,
    ] {
        assert_eq!(gateway.told(&other), None, "{other}");
    }
}
