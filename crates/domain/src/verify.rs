//! The decision: a claim, the record it names, the policy and the time in; allow or a reason out. Pure.
//!
//! Order: what is cheap and needs no credential has been checked before (`gate`, `scheme`); then the proof, always with
//! the same work whether the key exists or not (T14); then the record's life; then whether others could read it on the
//! way; then its restrictions; last, for signed
//! requests, whether the signature was spent before. So a caller without the secret learns nothing of the rest, and a
//! refused request spends no signature.

use crate::credential::{State, Status};
use crate::dialect::recipe::Ingredients;
use crate::id::{AppId, MerchantId};
use crate::mode::Mode;
use crate::reason::DenyReason;
use crate::replay::Spend;
use crate::restriction::{Caller, Restrictions};
use crate::scheme::{Claim, Context, Proof, Transport, http_signature};
use crate::seal::Verifier;
use crate::time::UnixMs;

/// What a verifier keeps of one credential: everything a decision needs, and no more.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The public name.
    pub key_id: Box<str>,
    /// The product it is for.
    pub product: std::sync::Arc<str>,
    /// Test or live.
    pub mode: Mode,
    /// The tenant.
    pub merchant_id: MerchantId,
    /// The app.
    pub app_id: AppId,
    /// Where it is in its life.
    pub status: Status,
    /// When it ends by itself.
    pub expires_at: Option<UnixMs>,
    /// Whether app and merchant stand in the way.
    pub owner: OwnerState,
    /// What narrows it; `None` when nothing does.
    pub restrictions: Option<Box<Restrictions>>,
    /// What checks the proof.
    pub verifier: Verifier,
}

impl Candidate {
    /// When it stops by itself: its expiry, or the end of its grace after a roll.
    pub fn ends_at(&self) -> Option<UnixMs> {
        let grace_ends_at = match self.status {
            Status::Retiring { ends_at } => Some(ends_at),
            Status::Active | Status::Revoked { .. } => None,
        };
        [self.expires_at, grace_ends_at].into_iter().flatten().min()
    }
}

/// Whether what was begun under `old` may go on under `new`, the record as it is now. Nobody looks at the request again:
/// where a list has changed at all, it ends, and its client may begin anew under the new one.
///
/// # Errors
/// Why it has to end.
pub fn check_still(old: &Candidate, new: Option<&Candidate>, now: UnixMs) -> Result<(), DenyReason> {
    let new = new.ok_or(DenyReason::UnknownKey)?;
    check_life(new, now)?;
    let nothing = Restrictions::default();
    let [before, after] = [old, new].map(|candidate| candidate.restrictions.as_deref().unwrap_or(&nothing));
    if before.allowed_ips != after.allowed_ips {
        return Err(DenyReason::IpNotAllowed);
    }
    if before.allowed_origins != after.allowed_origins || before.domains != after.domains {
        return Err(DenyReason::OriginNotAllowed);
    }
    if before.scopes != after.scopes {
        return Err(DenyReason::ScopeMissing);
    }
    if before.providers != after.providers {
        return Err(DenyReason::ProviderNotAllowed);
    }
    Ok(())
}

/// Whether the owner lets the credential work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerState {
    /// Nothing in the way.
    Enabled,
    /// The app was disabled.
    AppDisabled,
    /// A live credential of a merchant that is not approved.
    MerchantNotApproved,
}

/// The decision before the replay memory was asked.
#[derive(Debug)]
pub enum Verdict {
    /// The caller is who it says.
    Allow,
    /// The same, if this signature can be spent.
    AllowOnce(Spend),
    /// No.
    Deny(DenyReason),
}

/// Decides.
pub fn decide(context: &Context<'_>, claim: &Claim<'_>, candidate: Option<&Candidate>) -> Verdict {
    let fits = |candidate: &&Candidate| {
        *candidate.key_id == *claim.key_id && *candidate.product == *context.product && candidate.mode == claim.mode
    };
    let Some(candidate) = candidate.filter(fits) else {
        work_for_nobody(context, claim);
        return Verdict::Deny(DenyReason::UnknownKey);
    };
    if let Err(reason) = check_proof(context, claim, candidate) {
        return Verdict::Deny(reason);
    }
    if let Err(reason) = check_status(candidate, context.now) {
        return Verdict::Deny(reason);
    }
    // Behind the proof, so that a stranger learns nothing, and before all that only keeps a credential from working now:
    // one that others have read is as bad for it tomorrow.
    if candidate.mode == Mode::Live && context.transport == Transport::Open {
        return Verdict::Deny(DenyReason::InsecureTransport);
    }
    if let Err(reason) = check_owner(candidate) {
        return Verdict::Deny(reason);
    }
    if !names_own_app(context, claim, candidate) {
        return Verdict::Deny(DenyReason::WrongApp);
    }
    let caller = match claim.proof {
        Proof::PublicKey => Caller::PublicKey,
        _ => Caller::Secret,
    };
    if let Some(restrictions) = &candidate.restrictions
        && let Err(reason) = restrictions.check(context.dialect, context.view, caller)
    {
        return Verdict::Deny(reason);
    }
    if candidate.mode == Mode::Live && carries_test_card(context) {
        return Verdict::Deny(DenyReason::TestCardInLive);
    }
    match Spend::of(context.view, claim) {
        Some(spend) => Verdict::AllowOnce(spend),
        None => Verdict::Allow,
    }
}

/// On the few calls that carry a card, a number of the vendor's test data.
fn carries_test_card(context: &Context<'_>) -> bool {
    let cards = context.dialect.test_cards.as_ref().filter(|cards| cards.covers(context.view));
    cards.is_some_and(|cards| cards.are_in(context.view.body))
}

fn check_proof(context: &Context<'_>, claim: &Claim<'_>, candidate: &Candidate) -> Result<(), DenyReason> {
    match &claim.proof {
        Proof::Secret(presented) => {
            let matches = context.keyring.matches(&candidate.verifier, &candidate.key_id, presented.bytes());
            if matches { Ok(()) } else { Err(DenyReason::WrongSecret) }
        }
        Proof::Signed { .. } | Proof::Message { .. } => {
            let Verifier::Opened(secret) = &candidate.verifier else { return Err(DenyReason::Internal) };
            if signature_matches(context, claim, secret.expose()) { Ok(()) } else { Err(DenyReason::WrongSignature) }
        }
        Proof::Token(_) | Proof::PublicKey => Ok(()),
    }
}

fn signature_matches(context: &Context<'_>, claim: &Claim<'_>, key: &[u8]) -> bool {
    match &claim.proof {
        Proof::Signed { signed, timestamp, signature, .. } => {
            let ingredients = Ingredients { view: context.view, timestamp, key_id: &claim.key_id };
            signed.recipe.verify(ingredients, key, signature)
        }
        Proof::Message { input, .. } => {
            let mut base = Vec::with_capacity(512);
            http_signature::check_content_digest(context.view).is_ok()
                && http_signature::signature_base(context.view, input, &mut base).is_ok()
                && http_signature::verify_hmac(&base, key, input.signature())
        }
        Proof::Secret(_) | Proof::Token(_) | Proof::PublicKey => false,
    }
}

/// The work that a wrong proof of a key that exists would have cost.
fn work_for_nobody(context: &Context<'_>, claim: &Claim<'_>) {
    const NOBODY: &[u8] = b"the secret of a key that nobody has";
    match &claim.proof {
        Proof::Secret(presented) => context.keyring.match_nobody(&claim.key_id, presented.bytes()),
        Proof::Signed { .. } | Proof::Message { .. } => {
            std::hint::black_box(signature_matches(context, claim, NOBODY));
        }
        Proof::Token(_) | Proof::PublicKey => {}
    }
}

fn check_life(candidate: &Candidate, now: UnixMs) -> Result<(), DenyReason> {
    check_status(candidate, now)?;
    check_owner(candidate)
}

fn check_status(candidate: &Candidate, now: UnixMs) -> Result<(), DenyReason> {
    match candidate.status.state(candidate.expires_at, now) {
        State::Active | State::Retiring => Ok(()),
        State::Revoked => Err(DenyReason::Revoked),
        State::Expired => Err(DenyReason::Expired),
    }
}

fn check_owner(candidate: &Candidate) -> Result<(), DenyReason> {
    match candidate.owner {
        OwnerState::Enabled => Ok(()),
        OwnerState::AppDisabled => Err(DenyReason::AppDisabled),
        OwnerState::MerchantNotApproved => Err(DenyReason::MerchantSuspended),
    }
}

/// Where the address of an exchange names an app, it is the credential's own.
fn names_own_app(context: &Context<'_>, claim: &Claim<'_>, candidate: &Candidate) -> bool {
    let Some(exchange) = claim.exchange else { return true };
    match exchange.exchange.capture(context.view.route(), "app_id") {
        Some(named) => named.parse::<AppId>().is_ok_and(|named| named == candidate.app_id),
        None => true,
    }
}
