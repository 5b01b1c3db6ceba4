//! A turn of a simulator: everything that one call or one due moment changes, written together or not at all. An object
//! changes only from the version in which it was read, so of two that would move it at once, one wins. Money moves with
//! what it is for, and those who are told hear of nothing that was not committed.

use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::test_clock::{self, TestClock};
use keymint_domain::time::UnixMs;
use keymint_store::db::Tx;
use keymint_store::error::StoreError;
use keymint_store::moves::{self, Move};
use keymint_store::sandbox::{self, Kind, Reference, SandboxObject};
use keymint_store::wallets::{self, Answered, Entry, Holding};
use serde::{Deserialize, Serialize};

use super::{SandboxError, facts};
use crate::App;
use crate::ops::deliveries;
use crate::webhooks::Happening;

/// Whose turn it is: an app of a product, in test mode.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The product.
    pub product: &'a str,
    /// The merchant.
    pub merchant_id: MerchantId,
    /// The app.
    pub app_id: AppId,
}

/// A new object.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<'a> {
    /// Its kind: `payment`.
    pub kind: &'a str,
    /// Its id.
    pub id: &'a str,
    /// The merchant's own reference; one per product, kind and app.
    pub reference: Option<&'a str>,
    /// The object as JSON.
    pub body: &'a str,
}

/// Money that moves in a wallet of the app. Amounts in the smallest unit of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// The wallet: its currency.
    pub wallet: String,
    /// What the wallet holds before anything moved in it.
    pub opening: i64,
    /// What the balance gains; less than nothing: what it loses.
    pub amount: i64,
    /// What is set aside more for what is under way.
    pub reserved: i64,
}

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The object from then on, as JSON.
    pub body: String,
    /// Whether another may have the merchant's reference from then on.
    pub reference: Reference,
    /// The name and body of the event that tells of it.
    pub event: Option<(String, String)>,
    /// The money that moves with it.
    pub postings: Vec<Posting>,
}

impl Next {
    /// Becomes this; nobody is told, no money moves, the reference stays.
    pub fn quiet(body: String) -> Self {
        Self { body, reference: Reference::Kept, event: None, postings: Vec::new() }
    }
}

/// A turn under way. Dropped, it never was.
pub struct Turn<'a> {
    app: &'a App,
    owner: Owner<'a>,
    tx: Tx,
    clock: Option<TestClock>,
    real: UnixMs,
    now: UnixMs,
    told: Vec<Happening>,
}

impl<'a> Turn<'a> {
    /// Begins. Whatever is read in it stands until it ends (SQLite), or is looked at again when it changes.
    ///
    /// # Errors
    /// `SandboxError::Store`; so for what has no other named.
    pub async fn begin(app: &'a App, owner: Owner<'a>) -> Result<Self, SandboxError> {
        let mut tx = app.db.write().await?;
        let clock = moves::clock(tx.conn(), owner.app_id).await?;
        let real = app.clock.now();
        Ok(Self { app, owner, tx, clock, real, now: test_clock::now(clock, real), told: Vec::new() })
    }

    /// What the app's clock shows.
    pub fn now(&self) -> UnixMs {
        self.now
    }

    /// An object by id, whoever's.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn find(&mut self, kind: &str, id: &str) -> Result<Option<SandboxObject>, SandboxError> {
        let kind = Kind { product: self.owner.product, kind };
        Ok(sandbox::find(self.tx.conn(), kind, id).await?)
    }

    /// The app's object of that reference.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn find_reference(&mut self, kind: &str, reference: &str) -> Result<Option<SandboxObject>, SandboxError> {
        let kind = Kind { product: self.owner.product, kind };
        Ok(sandbox::find_reference(self.tx.conn(), kind, self.owner.app_id, reference).await?)
    }

    /// Keeps a new object, made now.
    ///
    /// # Errors
    /// `ReferenceTaken` when the app has one of that reference; the turn is over then.
    pub async fn keep(&mut self, fresh: Fresh<'_>) -> Result<SandboxObject, SandboxError> {
        let object = SandboxObject {
            id: fresh.id.to_owned(),
            merchant_id: self.owner.merchant_id,
            app_id: self.owner.app_id,
            reference: fresh.reference.map(str::to_owned),
            body: fresh.body.to_owned(),
            created_at: self.now,
            version: 0,
        };
        let kind = Kind { product: self.owner.product, kind: fresh.kind };
        match sandbox::insert(self.tx.conn(), kind, &object, &facts(fresh.body)).await {
            Err(StoreError::Unique { .. }) => Err(SandboxError::ReferenceTaken),
            other => Ok(other.map(|()| object)?),
        }
    }

    /// Changes an object now, with its money and its event; whatever was to become of it later is off. Gives the object as
    /// it is from now on.
    ///
    /// # Errors
    /// `Overtaken` when it is not as it was read any more; `Insufficient` when the money is not there. The turn has to be
    /// dropped then.
    pub async fn change(
        &mut self,
        kind: &str,
        object: &SandboxObject,
        next: &Next,
    ) -> Result<SandboxObject, SandboxError> {
        let place = (self.owner.product, kind, object.id.as_str());
        moves::overtake(self.tx.conn(), place).await?;
        self.become_next(kind, object, next).await
    }

    async fn become_next(
        &mut self,
        kind: &str,
        object: &SandboxObject,
        next: &Next,
    ) -> Result<SandboxObject, SandboxError> {
        let place = (Kind { product: self.owner.product, kind }, object);
        let told = (next.body.as_str(), &facts(&next.body));
        if !sandbox::change(self.tx.conn(), place, told, next.reference, self.now).await? {
            return Err(SandboxError::Overtaken);
        }
        for posting in &next.postings {
            self.post(&object.id, posting).await?;
        }
        if let Some((name, body)) = &next.event {
            self.tell(name, body).await?;
        }
        Ok(SandboxObject { body: next.body.clone(), version: object.version + 1, ..object.clone() })
    }

    /// What becomes of an object later: the first of the list from the version in which it is now, each further one from
    /// the one before. A change by anybody else calls all of it off.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn later(
        &mut self,
        kind: &str,
        object: &SandboxObject,
        steps: Vec<(UnixMs, Next)>,
    ) -> Result<(), SandboxError> {
        for (version, (due_at, next)) in (object.version..).zip(steps) {
            let one = Move {
                product: self.owner.product.to_owned(),
                kind: kind.to_owned(),
                id: object.id.clone(),
                version,
                app_id: self.owner.app_id,
                due_at,
                body: next.body,
                reference: next.reference,
                event: next.event,
                postings: serde_json::to_string(&next.postings).unwrap_or_default(),
            };
            let wakes_at = test_clock::real_moment(self.clock, due_at, self.real);
            moves::insert(self.tx.conn(), &one, wakes_at).await?;
        }
        Ok(())
    }

    /// Moves money for an object.
    ///
    /// # Errors
    /// `Insufficient` when the wallet does not hold it, or would hold more than a wallet can.
    pub async fn post(&mut self, object: &str, posting: &Posting) -> Result<(), SandboxError> {
        let Posting { wallet, opening, amount, reserved } = posting;
        let entry = Entry { wallet, opening: *opening, object, amount: *amount, reserved: *reserved };
        let has_moved = wallets::post(self.tx.conn(), self.owner.app_id, entry, self.now).await?;
        if has_moved { Ok(()) } else { Err(SandboxError::Insufficient) }
    }

    /// What a wallet of the app holds; nothing before money moved in it.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn wallet(&mut self, name: &str) -> Result<Option<Holding>, SandboxError> {
        Ok(wallets::find(self.tx.conn(), self.owner.app_id, name).await?)
    }

    /// Tells the app's endpoints, once the turn is committed.
    ///
    /// # Errors
    /// `SandboxError::Event`.
    pub async fn tell(&mut self, name: &str, body: &str) -> Result<(), SandboxError> {
        let product = self.app.products.find(self.owner.product);
        let rules = product.and_then(|product| product.dialect.webhooks.as_ref());
        if let Some(rules) = rules {
            let about = (self.owner.app_id, keymint_domain::mode::Mode::Test, name, body);
            self.told.push(deliveries::happen(self.app, self.tx.conn(), rules, about).await?);
        }
        Ok(())
    }

    /// What the app was answered to a key of repetition.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn recall(&mut self, key: &str) -> Result<Option<Answered>, SandboxError> {
        Ok(wallets::recall(self.tx.conn(), self.owner.app_id, key).await?)
    }

    /// Remembers an answer for a key of repetition.
    ///
    /// # Errors
    /// `ReferenceTaken` when the key is being used at the same time.
    pub async fn remember(&mut self, key: &str, answered: &Answered) -> Result<(), SandboxError> {
        match wallets::remember(self.tx.conn(), (self.owner.app_id, key), answered, self.real).await {
            Err(StoreError::Unique { .. }) => Err(SandboxError::ReferenceTaken),
            other => Ok(other?),
        }
    }

    /// Ends without a change, for an answer out of what it has read.
    ///
    /// # Errors
    /// `SandboxError::Store`: what was read may never have been.
    pub async fn settle(self) -> Result<(), SandboxError> {
        Ok(self.tx.settle().await?)
    }

    /// Makes everything of it true, and has those told who are to be told.
    ///
    /// # Errors
    /// `SandboxError::Store`: nothing has changed.
    pub async fn commit(self) -> Result<(), SandboxError> {
        self.tx.commit().await?;
        self.told.into_iter().for_each(Happening::written);
        self.app.mover.wake();
        Ok(())
    }
}

/// Makes a move that is due; whether there was one to make. One that was overtaken, or whose money is not there, goes.
///
/// # Errors
/// `SandboxError::Store`, `Event`; the move stays then.
pub async fn make(app: &App, one: &Move) -> Result<(), SandboxError> {
    let Some(object) = ({
        let mut conn = app.db.read().await?;
        sandbox::find(&mut conn, Kind { product: &one.product, kind: &one.kind }, &one.id).await?
    }) else {
        return drop_move(app, one).await;
    };
    let owner = Owner { product: &one.product, merchant_id: object.merchant_id, app_id: one.app_id };
    let mut turn = Turn::begin(app, owner).await?;
    if turn.now < one.due_at {
        // The clock was set while the move was being written.
        let wakes_at = test_clock::real_moment(turn.clock, one.due_at, turn.real);
        moves::wake(turn.tx.conn(), one, wakes_at).await?;
        return turn.commit().await;
    }
    // It happens when it was due, however late it is noticed.
    turn.now = one.due_at;
    if !moves::take(turn.tx.conn(), one).await? {
        return turn.settle().await;
    }
    let found = turn.find(&one.kind, &one.id).await?.filter(|found| found.version == one.version);
    let Some(found) = found else { return turn.commit().await };
    let next = Next {
        body: one.body.clone(),
        reference: one.reference,
        event: one.event.clone(),
        postings: serde_json::from_str(&one.postings).unwrap_or_default(),
    };
    match turn.become_next(&one.kind, &found, &next).await {
        Ok(_) => turn.commit().await,
        Err(error @ (SandboxError::Overtaken | SandboxError::Insufficient)) => {
            drop(turn);
            tracing::warn!(%error, kind = %one.kind, id = %one.id, "what was to become of an object does not");
            drop_move(app, one).await
        }
        Err(error) => Err(error),
    }
}

async fn drop_move(app: &App, one: &Move) -> Result<(), SandboxError> {
    let mut tx = app.db.write().await?;
    moves::take(tx.conn(), one).await?;
    Ok(tx.commit().await?)
}
