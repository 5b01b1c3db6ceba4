//! RazorpayX's payouts in test mode: they begin `processing`, or `queued` where the dummy balance does not hold them, and
//! are moved by hand from there (`x/dashboard/test-mode.md`, `api/x/payouts/create/bank-account.md`).

use keymint_app::sandbox::turn::{Fresh, Next, Posting, Turn};
use keymint_app::sandbox::{Object, SandboxError};
use keymint_domain::id::MerchantId;
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{
    Answer, Failure, amount, digest_of, event, header, new_id, notes, optional, own, refuse, required, shown, text,
    wrong,
};
use crate::sandbox::{Asked, parsed, text_of, with};

/// The wallet of the dummy balance. It is empty before anything was added.
const WALLET: &str = "INR";
/// Most that is added at once: the smallest unit, a hundred million rupees (chosen).
const TOP_UP_MAX: i64 = 10_000_000_000;
/// Newest payouts among which the queued ones are looked for when something is added.
const LOOKED_AT: i64 = 100;
/// Ways in which money goes out.
const MODES: [&str; 6] = ["NEFT", "RTGS", "IMPS", "UPI", "card", "amazonpay"];

/// The key under which a payout may be repeated: it has to be there (vendors sheet 3.6).
fn key<'a>(call: &Asked<'a>) -> Result<&'a str, Failure> {
    let missing = "Idempotency key is missing. Include idempotency header and key in the request.";
    let key = header(call, "x-payout-idempotency")?.filter(|key| !key.is_empty()).ok_or_else(|| refuse(missing))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b' ');
    if !(4..=36).contains(&key.len()) || !key.bytes().all(is_plain) {
        return Err(refuse("The idempotency key must be 4 to 36 letters, digits, hyphens, underscores or spaces."));
    }
    Ok(key)
}

/// `POST /v1/payouts`.
pub async fn create(call: &Asked<'_>, turn: &mut Turn<'_>, body: &Map<String, Value>) -> Answer {
    let (key, asked) = (key(call)?, digest_of(call));
    if let Some(before) = turn.find_reference("payout", key).await? {
        let before = parsed(&before);
        let description = "Different request body sent for the same Idempotency Header.";
        // As it stands now, and not as it was when it was made.
        return if before["asked"] == asked { Ok(shown(&before)) } else { Err(refuse(description)) };
    }
    let payout = with(&fields(call, turn, body).await?, json!({ "asked": asked }));
    let merchant = call.candidate.merchant_id;
    let amount = payout["amount"].as_i64().unwrap_or(0);
    let is_covered = turn.wallet(WALLET).await?.is_some_and(|held| held.balance - held.reserved >= amount);
    if !is_covered && body.get("queue_if_low_balance") == Some(&json!(false)) {
        return Err(Failure::Store(SandboxError::Insufficient));
    }
    let payout = if is_covered { payout } else { with(&payout, queued()) };
    let id = text_of(&payout, "id");
    let fresh = Fresh { kind: "payout", id, reference: Some(key), body: &payout.to_string() };
    turn.keep(fresh).await?;
    if is_covered {
        turn.post(id, &posting(0, amount)).await?;
        tell_of(turn, merchant, &payout, ("payout.initiated", Some(-amount))).await?;
    } else {
        tell_of(turn, merchant, &payout, ("payout.queued", None)).await?;
    }
    Ok(shown(&payout))
}

/// A payout's fields, or what is wrong with the first that is.
async fn fields(call: &Asked<'_>, turn: &mut Turn<'_>, body: &Map<String, Value>) -> Answer {
    let account_number = text(body, "account_number", 35)?;
    let (fund_account, _) = own(call, turn, ("fund_account", "fa_"), text(body, "fund_account_id", 64)?).await?;
    let amount = amount(body)?.ok_or_else(|| required("amount"))?;
    if text(body, "currency", 3)? != "INR" {
        return Err(wrong("currency", "Currency is not supported"));
    }
    let mode = text(body, "mode", 20)?;
    if !MODES.contains(&mode) {
        return Err(wrong("mode", "Payout mode is invalid"));
    }
    let narration = optional(body, "narration", 30)?;
    if narration.is_some_and(|text| !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')) {
        return Err(wrong("narration", "The narration format is invalid."));
    }
    Ok(json!({
        "id": new_id(call.app, "pout_")?, "entity": "payout", "fund_account_id": fund_account.id, "amount": amount,
        "currency": "INR", "notes": notes(body)?, "fees": 0, "tax": 0, "status": "processing",
        "purpose": text(body, "purpose", 30)?, "utr": null, "mode": mode,
        "reference_id": optional(body, "reference_id", 40)?, "narration": narration, "batch_id": null,
        "failure_reason": null, "status_details": null, "debit_account_number": account_number,
        "created_at": turn.now().seconds(),
    }))
}

/// What is different in one that waits for money.
fn queued() -> Value {
    let description =
        "Payout is queued as there is insufficient balance in your business account to process the payout";
    json!({
        "status": "queued",
        "status_details": { "description": description, "source": "business", "reason": "low_balance" },
    })
}

fn posting(amount: i64, reserved: i64) -> Posting {
    Posting { wallet: WALLET.to_owned(), opening: 0, amount, reserved }
}

/// Tells of a payout, and of the line in the account's statement where money moved.
async fn tell_of(
    turn: &mut Turn<'_>,
    merchant: MerchantId,
    payout: &Value,
    (name, moved): (&str, Option<i64>),
) -> Result<(), Failure> {
    let now = turn.now();
    let (name, told) = event(name, merchant, &[("payout", payout)], now);
    turn.tell(&name, &told).await?;
    let Some(moved) = moved else { return Ok(()) };
    let held = turn.wallet(WALLET).await?.map_or(0, |held| held.balance - held.reserved);
    let line = statement_line(payout, (moved, held), now);
    let (name, told) = event("transaction.created", merchant, &[("transaction", &line)], now);
    Ok(turn.tell(&name, &told).await?)
}

/// The line of a payout in the account's statement.
pub fn statement_line(payout: &Value, (moved, balance): (i64, i64), now: UnixMs) -> Value {
    let (credit, debit) = (moved.max(0), moved.min(0).saturating_neg());
    let short = text_of(payout, "id").trim_start_matches("pout_");
    json!({
        "id": format!("txn_{short}"), "entity": "transaction", "account_number": payout["debit_account_number"],
        "amount": moved.saturating_abs(), "currency": WALLET, "credit": credit, "debit": debit, "balance": balance,
        "source": shown(payout), "created_at": now.seconds(),
    })
}

/// Moves a payout by hand: `POST /v1/test/payouts/{id}`, ours, and the vendor's own `/cancel` of a queued one.
pub async fn to(call: &Asked<'_>, turn: &mut Turn<'_>, id: &str, status: &str) -> Answer {
    let (kept, payout) = own(call, turn, ("payout", "pout_"), id).await?;
    // Nothing moves yet: the wallet is held before the payout, as adding to the balance does, so neither waits for the other.
    turn.post(&kept.id, &posting(0, 0)).await?;
    Ok(shown(&moved(turn, (&kept, &payout), status).await?))
}

/// A move by hand: from which states to which, and what tells of it.
struct Move {
    from: &'static [&'static str],
    to: &'static str,
    event: Option<&'static str>,
}

const MOVES: [Move; 5] = [
    Move { from: &["queued"], to: "processing", event: Some("payout.initiated") },
    Move { from: &["queued"], to: "cancelled", event: None },
    Move { from: &["processing"], to: "processed", event: Some("payout.processed") },
    Move { from: &["processing"], to: "failed", event: Some("payout.failed") },
    Move { from: &["processing", "processed"], to: "reversed", event: Some("payout.reversed") },
];

/// What docs/sandbox/razorpay.md has to say of the moves.
#[cfg(test)]
pub fn documented() -> Vec<crate::sandbox::documented::Row> {
    use crate::sandbox::documented::{Row, quoted};
    let row = |one: &Move, from: &str| {
        Row::new(&quoted(from), &[(1, quoted(one.to)), (2, one.event.map(quoted).unwrap_or_default())])
    };
    MOVES.iter().flat_map(|one| one.from.iter().map(move |from| row(one, from))).collect()
}

/// What is different in a payout that is in another state.
pub fn as_moved(payout: &Value, to: &str) -> Value {
    match to {
        "queued" => queued(),
        "failed" | "reversed" => unpaid(to),
        "processed" => {
            let digits = text_of(payout, "id").trim_start_matches("pout_").to_uppercase();
            json!({ "status": to, "utr": format!("HDFCN{digits}") })
        }
        _ => json!({ "status": to, "status_details": null }),
    }
}

/// A payout in the state that follows, its money, its events.
async fn moved(turn: &mut Turn<'_>, (kept, payout): (&Object, &Value), status: &str) -> Answer {
    let amount = payout["amount"].as_i64().unwrap_or(0);
    let from = text_of(payout, "status");
    let Some(Move { to, event, .. }) = MOVES.iter().find(|one| one.from.contains(&from) && one.to == status) else {
        return Err(wrong("status", &format!("Payout cannot be moved from {from} to this status.")));
    };
    let postings = match (from, *to) {
        ("queued", "processing") => vec![posting(0, amount)],
        ("queued", _) => Vec::new(),
        ("processing", "processed") => vec![posting(-amount, -amount)],
        ("processing", _) => vec![posting(0, -amount)],
        _ => vec![posting(amount, 0)],
    };
    let members = as_moved(payout, to);
    let moves = match *to {
        "processing" => Some(-amount),
        "failed" | "reversed" => Some(amount),
        _ => None,
    };
    let told = event.map(|event| (event, moves));
    let payout = with(payout, members);
    turn.change("payout", kept, &Next { postings, ..Next::quiet(payout.to_string()) }).await?;
    if let Some(told) = told {
        tell_of(turn, kept.merchant_id, &payout, told).await?;
    }
    Ok(payout)
}

/// What is different in one whose money did not arrive.
fn unpaid(status: &str) -> Value {
    let description = "The beneficiary's bank did not accept the payout";
    json!({
        "status": status, "failure_reason": description,
        "status_details": { "description": description, "source": "beneficiary_bank", "reason": "beneficiary_bank_failure" },
    })
}

/// `POST /v1/test/balance`, ours: "Add test balance" of the vendor's dashboard. What is queued goes on with it, the oldest
/// first, as far as it reaches.
pub async fn top_up(call: &Asked<'_>, body: &Map<String, Value>) -> Answer {
    let amount = amount(body)?.ok_or_else(|| required("amount"))?;
    if amount > TOP_UP_MAX {
        return Err(wrong("amount", "The amount may not be greater than 10000000000."));
    }
    // Read before the turn begins: one call never waits for a second connection while it holds one.
    let shelf = call.shelf("payout");
    let newest = shelf.list_of_app(UnixMs(i64::MIN), (UnixMs(i64::MAX), ""), (LOOKED_AT, 0)).await?;
    let mut turn = shelf.turn().await?;
    turn.post("balance", &posting(amount, 0)).await?;
    for kept in newest.iter().rev() {
        let payout = parsed(kept);
        let held = turn.wallet(WALLET).await?.map_or(0, |held| held.balance - held.reserved);
        let is_covered = payout["amount"].as_i64().is_some_and(|amount| amount <= held);
        if payout["status"] == "queued" && is_covered {
            moved(&mut turn, (kept, &payout), "processing").await?;
        }
    }
    let held = turn.wallet(WALLET).await?.map_or((0, 0), |held| (held.balance, held.reserved));
    turn.commit().await?;
    Ok(shown_balance(held))
}

fn shown_balance((balance, reserved): (i64, i64)) -> Value {
    json!({
        "entity": "balance", "currency": WALLET, "balance": balance, "reserved": reserved,
        "available": balance - reserved,
    })
}

/// `GET /v1/test/balance`, ours.
pub async fn balance(call: &Asked<'_>) -> Answer {
    let wallets = call.shelf("payout").wallets().await?;
    let held = wallets.iter().find(|(name, _)| name == WALLET);
    Ok(shown_balance(held.map_or((0, 0), |(_, held)| (held.balance, held.reserved))))
}
