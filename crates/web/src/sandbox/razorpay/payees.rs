//! Contacts and their fund accounts: whom RazorpayX pays (`api/x/contacts/create.md`, `api/x/fund-accounts/create/*.md`).

use keymint_app::sandbox::turn::{Fresh, Turn};
use serde_json::{Map, Value, json};

use super::{Answer, Failure, new_id, notes, optional, own, shown, text, wrong};
use crate::sandbox::{Asked, text_of};

/// `POST /v1/contacts`.
pub async fn contact(call: &Asked<'_>, turn: &mut Turn<'_>, body: &Map<String, Value>) -> Answer {
    let name = text(body, "name", 50)?;
    let contact = json!({
        "id": new_id(call.app, "cont_")?, "entity": "contact", "name": name, "contact": optional(body, "contact", 20)?,
        "email": optional(body, "email", 100)?, "type": optional(body, "type", 40)?,
        "reference_id": optional(body, "reference_id", 40)?, "batch_id": null, "active": true, "notes": notes(body)?,
        "created_at": turn.now().seconds(),
    });
    keep(turn, "contact", &contact).await
}

/// `POST /v1/fund_accounts`.
pub async fn fund_account(call: &Asked<'_>, turn: &mut Turn<'_>, body: &Map<String, Value>) -> Answer {
    let (contact, _) = own(call, turn, ("contact", "cont_"), text(body, "contact_id", 64)?).await?;
    let kind = text(body, "account_type", 20)?;
    let nothing = Map::new();
    let details = |name: &str| body.get(name).and_then(Value::as_object).unwrap_or(&nothing);
    let account = match kind {
        "bank_account" => {
            let bank = details("bank_account");
            let number = text(bank, "account_number", 35)?;
            json!({
                "ifsc": text(bank, "ifsc", 11)?, "bank_name": "Test Bank", "name": text(bank, "name", 120)?, "notes": [],
                "account_number": number,
            })
        }
        "vpa" => {
            let address = text(details("vpa"), "address", 100)?;
            let (user, handle) = address.split_once('@').ok_or_else(|| wrong("address", "Invalid VPA"))?;
            json!({ "username": user, "handle": handle, "address": address })
        }
        _ => return Err(wrong("account_type", "The selected account type is invalid.")),
    };
    let fund_account = json!({
        "id": new_id(call.app, "fa_")?, "entity": "fund_account", "contact_id": contact.id, "account_type": kind,
        kind: account, "batch_id": null, "active": true, "created_at": turn.now().seconds(),
    });
    keep(turn, "fund_account", &fund_account).await
}

async fn keep(turn: &mut Turn<'_>, kind: &str, object: &Value) -> Result<Value, Failure> {
    turn.keep(Fresh { kind, id: text_of(object, "id"), reference: None, body: &object.to_string() }).await?;
    Ok(shown(object))
}
