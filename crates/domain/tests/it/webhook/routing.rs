//! Which endpoints get an event.

use super::of;

fn chosen(dialect: &str, event: &str, endpoints: &[&[&str]]) -> Vec<usize> {
    let asked: Vec<Vec<String>> =
        endpoints.iter().map(|events| events.iter().map(|event| (*event).to_owned()).collect()).collect();
    let asked: Vec<&[String]> = asked.iter().map(Vec::as_slice).collect();
    of(dialect).chosen(event, &asked)
}

#[test]
fn each_endpoint_gets_what_it_asks_for_and_everything_where_it_asks_for_nothing() {
    let endpoints: &[&[&str]] = &[&[], &["payment.captured", "order.paid"], &["payment.failed"]];
    assert_eq!(chosen("razorpay", "payment.captured", endpoints), [0, 1]);
    assert_eq!(chosen("razorpay", "payment.failed", endpoints), [0, 2]);
    assert_eq!(chosen("razorpay", "refund.created", endpoints), [0]);
    assert!(chosen("razorpay", "payment.captured", &[]).is_empty());
    assert!(chosen("razorpay", "payment", &[&["payment.captured"]]).is_empty(), "a category is no event");
}

#[test]
fn kpay_sends_a_category_to_its_own_endpoint_else_to_the_general_one_else_nowhere() {
    let all: &[&[&str]] = &[&[], &["payout.completed", "payout.failed"]];
    assert_eq!(chosen("kpay", "payout.completed", all), [1], "its own, and not the general one");
    assert_eq!(chosen("kpay", "payment.completed", all), [0]);
    assert!(chosen("kpay", "payout.cancelled", all).is_empty(), "not asked for by the one that has the category");
    assert!(chosen("kpay", "payment.completed", &[&["payout.completed"]]).is_empty());
}
