//! Fills a database with credentials, as the management API would make them, in large transactions. The records file
//! holds key ids and secrets with nothing between them: all are of the same length.

use std::io::{BufWriter, Write};
use std::path::Path;

use keymint_app::App;
use keymint_app::ops::Actor;
use keymint_app::ops::apps::{self, NewApp};
use keymint_app::ops::merchants::{self, NewMerchant};
use keymint_app::products::Product;
use keymint_domain::credential::{self, Blank};
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;
use keymint_store::credentials;

use crate::figure;

/// Credentials of one transaction.
const BATCH: usize = 20_000;
/// Credentials of one app.
const PER_APP: usize = 20_000;

/// Fills it.
pub async fn run(config: &Path, product: &str, count: usize, records: &Path) {
    let app = crate::open(config).await;
    let product = app.products.find(product).expect("a product");
    let mut file = BufWriter::new(std::fs::File::create(records).expect("a records file"));
    let mut widths = (0, 0);
    for first in (0..count).step_by(PER_APP) {
        let owner = owner(&app, product, first).await;
        for start in (first..count.min(first + PER_APP)).step_by(BATCH) {
            let mut tx = app.db.write().await.expect("a transaction");
            for slot in start..count.min(start + BATCH).min(first + PER_APP) {
                let blank = blank(product, &owner);
                let now = UnixMs(app.clock.now().0);
                let issued = credential::issue(&blank, &app.keyring, now, &*app.entropy).expect("a credential");
                let check = app.keyring.row_check(&issued.credential.check_bytes());
                let slot = i64::try_from(slot).expect("a slot");
                let slot_owner = issued.credential.slot_owner(&product.dialect);
                let stored = credentials::insert(tx.conn(), &issued.credential, (&slot_owner, slot), &check).await;
                stored.expect("it is stored");
                let (key_id, secret) = (&issued.credential.key_id, issued.secret.expose());
                file.write_all(key_id.as_bytes()).and_then(|()| file.write_all(secret.as_bytes())).expect("a record");
                widths = (key_id.len(), secret.len());
            }
            tx.commit().await.expect("a commit");
        }
    }
    file.flush().expect("the records file");
    app.close().await;
    figure("key_id_bytes", widths.0 as f64);
    figure("secret_bytes", widths.1 as f64);
}

struct Owner {
    merchant_id: keymint_domain::id::MerchantId,
    app_id: AppId,
}

/// A merchant with an app of its own.
async fn owner(app: &App, product: &Product, number: usize) -> Owner {
    let new = NewMerchant {
        name: format!("Merchant {number}"),
        email: format!("merchant-{number}@merchant.example"),
        country: "IN".to_owned(),
    };
    let merchant = merchants::make(app, Actor::System, &new, None).await.expect("a merchant");
    let new = NewApp {
        product: product.name.to_string(),
        name: format!("App {number}"),
        email: "dev@merchant.example".to_owned(),
        address: "12 MG Road".to_owned(),
        country: "IN".to_owned(),
        postal_code: "560001".to_owned(),
        ..NewApp::default()
    };
    let made = apps::make(app, Actor::System, merchant.id, &new, None).await.expect("an app");
    Owner { merchant_id: merchant.id, app_id: made.id }
}

fn blank<'a>(product: &'a Product, owner: &Owner) -> Blank<'a> {
    Blank {
        dialect: &product.dialect,
        style: product.style(),
        product: &product.name,
        mode: Mode::Test,
        merchant_id: owner.merchant_id,
        app_id: owner.app_id,
    }
}
