//! The acts of people and tokens: each checks the actor, changes, writes its audit entry and its event, all in one
//! transaction; the cache lets go of what it concerns before the commit.

pub mod accounts;
pub mod address_codes;
pub mod apps;
pub mod audit;
pub mod authenticator;
pub mod companies;
pub mod credentials;
pub mod deliveries;
pub mod domains;
pub mod exposures;
pub mod gateways;
pub mod go_live;
pub mod idempotency;
pub mod input;
pub mod listening;
pub mod mail_codes;
pub mod marks;
pub mod means;
pub mod merchants;
pub mod notices;
pub mod passkeys;
pub mod people;
pub mod proofs;
pub mod providers;
pub mod requests;
pub mod returns;
pub mod roles;
pub mod team;
pub mod test_clocks;
pub mod tokens;
pub mod traffic;
pub mod transactions;
pub mod webhooks;

use aws_lc_rs::digest;
use keymint_domain::entropy::EntropyError;
use keymint_domain::id::{AuditId, EventId, MerchantId, TokenId, UserId};
use keymint_domain::role::{Act, Role};
use keymint_store::db::EngineName;
use keymint_store::db::{Conn, Tx};
use keymint_store::error::StoreError;
use keymint_store::ledger::{self, AuditRow, Place};
use serde_json::Value;
use thiserror::Error;

use crate::App;
use crate::ready::{Affected, Unsteady};

/// Whether a second factor was given in the session a short while ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It was.
    Fresh,
    /// It was not.
    Missing,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An operator's token: everything.
    Operator(TokenId),
    /// A merchant's token: that merchant alone.
    Merchant(TokenId, MerchantId),
    /// A person at the console, as what they are at that merchant.
    Member(UserId, MerchantId, Role, Proof),
    /// The program itself, at set-up.
    System,
}

impl Actor {
    /// Whether the actor is let near what belongs to this merchant. What it may do there, `require` says.
    pub fn may_act_for(&self, merchant: MerchantId) -> bool {
        self.merchant().is_none_or(|own| own == merchant)
    }

    /// Goes on only if the actor may do this: the one place where roles decide. Every change asks when it begins, and
    /// every reading before it reads.
    ///
    /// # Errors
    /// `OpError::Forbidden`; `OpError::ProofNeeded` for a person who may, once a second factor is given.
    pub fn require(&self, act: Act) -> Result<(), OpError> {
        let may = match self {
            Self::Operator(_) | Self::System => true,
            Self::Merchant(..) => act != Act::Operate,
            Self::Member(_, _, role, Proof::Missing) if role.may(act) && act.needs_proof() => {
                return Err(OpError::ProofNeeded);
            }
            Self::Member(_, _, role, _) => role.may(act),
        };
        if may { Ok(()) } else { Err(OpError::Forbidden) }
    }

    /// The merchant that the actor is confined to.
    pub fn merchant(&self) -> Option<MerchantId> {
        match self {
            Self::Merchant(_, own) | Self::Member(_, own, ..) => Some(*own),
            Self::Operator(_) | Self::System => None,
        }
    }

    /// The name in the audit log.
    pub fn name(&self) -> String {
        match self {
            Self::Operator(token) => format!("operator:{token}"),
            Self::Merchant(token, _) => format!("merchant:{token}"),
            Self::Member(user, ..) => format!("user:{user}"),
            Self::System => "system".to_owned(),
        }
    }
}

/// Why an act was refused or failed.
#[derive(Debug, Error)]
pub enum OpError {
    /// Nothing there, or nothing that the actor may see: the two are not told apart.
    #[error("there is no {0} of that id")]
    NotFound(&'static str),
    /// The actor's role does not allow it.
    #[error("this account may not do this")]
    Forbidden,
    /// A field is wrong.
    #[error("{field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A second factor has to be given first.
    #[error("a second factor has to be given first")]
    ProofNeeded,
    /// Two codes have to be given first, for this list of addresses.
    #[error("a code by text message and one by mail have to be given first")]
    CodesNeeded {
        /// The addresses that are to be saved.
        allowed_ips: Vec<String>,
    },
    /// The state of things does not allow it.
    #[error("{message}")]
    Conflict {
        /// The stable code.
        code: &'static str,
        /// What is the matter and what to do.
        message: String,
    },
    /// Too many do the same at this moment.
    #[error("too many at once; try again in a moment")]
    Busy,
    /// Too many failed attempts.
    #[error("too many failed attempts; try again later")]
    TooMany,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The key ring failed.
    #[error("the secret could not be sealed")]
    Seal,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Unsteady> for OpError {
    fn from(_: Unsteady) -> Self {
        Self::Busy
    }
}

/// A refusal that names a field.
pub fn field<T>(field: &'static str, problem: impl Into<String>) -> Result<T, OpError> {
    Err(OpError::Field { field, problem: problem.into() })
}

/// A change under way: a transaction that holds the ledger's lock.
pub struct Change<'a> {
    app: &'a App,
    actor: Actor,
    tx: Tx,
    place: Place,
    affected: Affected,
}

/// What a change says of itself in the audit log and the outbox.
pub struct Saying<'a> {
    /// `credential.issued`.
    pub action: &'static str,
    /// The id or key id.
    pub subject: &'a str,
    /// Whose.
    pub merchant: Option<MerchantId>,
    /// More. Never a secret.
    pub detail: Value,
}

impl<'a> Change<'a> {
    /// Begins; changes happen one after the other from here on.
    ///
    /// Whether this process owns the database is looked at under the ledger's lock. A process that takes the database
    /// over waits for that lock before it reads anything: so a change is there before the other one begins, or is refused
    /// here.
    ///
    /// # Errors
    /// `OpError::Forbidden` when the actor may not do this; `OpError::Store`.
    pub async fn begin(app: &'a App, actor: Actor, act: Act) -> Result<Self, OpError> {
        actor.require(act)?;
        let mut tx = app.db.write().await?;
        let place = ledger::next(tx.conn()).await?;
        if !app.db.is_owned().await {
            let problem = "another process may own the database by now".to_owned();
            return Err(OpError::Store(StoreError::Unavailable(problem)));
        }
        Ok(Self { app, actor, tx, place, affected: Affected::default() })
    }

    /// The connection inside.
    pub fn conn(&mut self) -> &mut Conn {
        self.tx.conn()
    }

    /// What it concerns of all that is kept ready, beside credentials.
    pub fn affected(&mut self) -> &mut Affected {
        &mut self.affected
    }

    /// The number of the change.
    pub fn seq(&self) -> i64 {
        self.place.seq
    }

    /// Ends without a change, for an answer out of what this transaction has read: that is on disk before it is told. A
    /// second revocation must not say "revoked" while the first one waits for its commit (T32), nor a repeat name a
    /// credential that a crash could still take away (T38).
    ///
    /// # Errors
    /// `OpError::Store`: what was read may never have been.
    pub async fn settle(self) -> Result<(), OpError> {
        Ok(self.tx.settle().await?)
    }

    /// Writes the audit entry and the event, takes what is affected out of memory, and commits. Nothing has happened unless
    /// this returns `Ok`.
    ///
    /// What is affected stays marked, so that nothing is kept of them, until the commit has ended. The commit runs as a
    /// task of its own: a caller that goes away (a client that hangs up) leaves the marks until then, and on PostgreSQL
    /// does not cut it off.
    ///
    /// # Errors
    /// `OpError::Store`, `OpError::Entropy`.
    pub async fn commit(mut self, saying: Saying<'_>, key_ids: Vec<String>) -> Result<(), OpError> {
        let now = self.app.clock.now();
        let mut entry = AuditRow {
            seq: self.place.seq,
            id: AuditId::fresh(now, &*self.app.entropy)?,
            at: now,
            actor: self.actor.name(),
            action: saying.action.to_owned(),
            subject: saying.subject.to_owned(),
            merchant_id: saying.merchant,
            detail: saying.detail.to_string(),
            digest: Vec::new(),
        };
        entry.digest = audit_digest(&self.place.previous_digest, &entry);
        let event = EventId::fresh(now, &*self.app.entropy)?;
        ledger::record(self.tx.conn(), &entry, event).await?;
        let marked = self.app.mark(Affected { key_ids, ..self.affected });
        let (engine, committing) = (self.app.db.engine(), self.tx.commit());
        let finishing = self.app.runtime.spawn(async move {
            let done = committing.await;
            match (&done, engine) {
                // Cut off or too slow, it may still come to be seen: nobody knows.
                (Err(_), EngineName::Postgres) => marked.keep(),
                (Ok(()), _) | (Err(_), EngineName::Sqlite) => drop(marked),
            }
            done
        });
        let cut_off = |_| Err(StoreError::Unavailable("the commit was cut off".to_owned()));
        Ok(finishing.await.unwrap_or_else(cut_off)?)
    }
}

/// The digest that ties an audit entry to the one before: SHA-256 over the previous digest and every field.
pub fn audit_digest(previous: &[u8], entry: &AuditRow) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(previous);
    let merchant = entry.merchant_id.map_or_else(String::new, |merchant| merchant.to_string());
    let fields = [
        &entry.seq.to_string(),
        &entry.id.to_string(),
        &entry.at.0.to_string(),
        &entry.actor,
        &entry.action,
        &entry.subject,
        &merchant,
        &entry.detail,
    ];
    for text in fields {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    context.finish().as_ref().to_vec()
}
