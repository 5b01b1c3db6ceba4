//! The hot path: from a request to a decision, with everything that needs memory or the store around the domain's pure
//! rules. Gateway, verify API and forward-auth all come through here.

pub mod cache;
pub mod replay;

use std::sync::Arc;

use keymint_domain::dialect::TokenExchange;
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::gate;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::RequestView;
use keymint_domain::scheme::{self, Context, Proof, Transport};
use keymint_domain::time::UnixMs;
use keymint_domain::token::{self, TokenClaims, TokenUse};
use keymint_domain::verify::{self, Candidate, Verdict};

use crate::App;
use crate::limits::Rate;
use crate::products::Product;
use crate::verify::replay::Answer;

/// The way by which a request came to its product.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// The mode of the address, where that has one.
    pub host_mode: Option<Mode>,
    /// Who may have listened.
    pub transport: Transport,
}

/// What was decided about a request.
#[derive(Debug)]
pub enum Decision {
    /// The caller is who it says.
    Allow(Allowed),
    /// No.
    Deny(Denied),
}

/// An allowed request.
#[derive(Debug)]
pub struct Allowed {
    /// Whose it is.
    pub candidate: Arc<Candidate>,
    /// The scheme by which it proved who it is.
    pub scheme: SchemeName,
    /// When the token ends that it came with, if it did.
    pub token_ends_at: Option<UnixMs>,
    /// Where the caller stands with the rates, where there are any.
    pub rate: Option<Rate>,
    /// The body of the answer, when the call buys tokens: Keymint answers such calls itself.
    pub exchange: Option<ExchangeAnswer>,
}

impl Allowed {
    /// The same, with where it stood when it arrived.
    #[must_use]
    pub fn beside(self, arrived: Option<Rate>) -> Self {
        Self { rate: Rate::tighter(self.rate, arrived), ..self }
    }
}

/// The answer to a call that buys tokens.
#[derive(Debug)]
pub struct ExchangeAnswer {
    /// The status.
    pub status: u16,
    /// The body, with the tokens in it: it is not logged.
    pub body: keymint_domain::secret::SecretText,
}

/// A denied request.
#[derive(Debug)]
pub struct Denied {
    /// Why.
    pub reason: DenyReason,
    /// By which scheme.
    pub scheme: Option<SchemeName>,
    /// Whose key it was, for that merchant's log; `None` when the key is nobody's.
    pub candidate: Option<Arc<Candidate>>,
    /// Where it stands with the rule that had no room left.
    pub rate: Option<Rate>,
}

impl Denied {
    /// Before anything is known of the caller.
    pub fn early(reason: DenyReason) -> Self {
        Self { reason, scheme: None, candidate: None, rate: None }
    }
}

impl App {
    /// Checks what can be checked before the body is there.
    ///
    /// # Errors
    /// The denial.
    pub fn check_head(&self, product: &Product, view: &RequestView<'_>) -> Result<(), Denied> {
        gate::check_head(&product.dialect, view).map_err(|_| Denied::early(DenyReason::AmbiguousRequest))
    }

    /// Decides about a whole request.
    pub async fn verify(&self, product: &Product, view: &RequestView<'_>, way: Way) -> Decision {
        match self.try_verify(product, view, way).await {
            Ok(allowed) => Decision::Allow(allowed),
            Err(denied) => Decision::Deny(denied),
        }
    }

    /// The mode of a request's claim, where nothing of the claim depends on the body: such a request can be decided
    /// about before its body is there.
    pub fn mode_without_body(&self, product: &Product, view: &RequestView<'_>) -> Option<Mode> {
        let claim = scheme::find_claim(&self.context(product, view, Transport::default()))
            .ok()
            .filter(|claim| claim.exchange.is_none())?;
        // Where the body may decide, it is read first: a content type, the provider that it names, a card.
        if product.dialect.judges_body(view, claim.mode) {
            return None;
        }
        match claim.proof {
            Proof::Secret(_) | Proof::Token(_) | Proof::PublicKey => Some(claim.mode),
            Proof::Signed { .. } | Proof::Message { .. } => None,
        }
    }

    fn context<'a>(&'a self, product: &'a Product, view: &'a RequestView<'a>, transport: Transport) -> Context<'a> {
        let (dialect, keyring, now) = (&*product.dialect, &self.keyring, self.clock.now());
        Context { dialect, product: &product.name, view, keyring, now, transport }
    }

    async fn try_verify(&self, product: &Product, view: &RequestView<'_>, way: Way) -> Result<Allowed, Denied> {
        let dialect = &*product.dialect;
        let context = self.context(product, view, way.transport);
        check_body(&context)?;
        let claim = scheme::find_claim(&context)
            .map_err(|refusal| Denied { scheme: refusal.scheme, ..Denied::early(refusal.reason) })?;
        if claim.exchange.is_none() {
            gate::check_body(dialect, view.body).map_err(|_| Denied::early(DenyReason::AmbiguousRequest))?;
        }
        let scheme = Some(claim.scheme);
        if way.host_mode.is_some_and(|mode| mode != claim.mode) {
            return Err(Denied { scheme, ..Denied::early(DenyReason::WrongMode) });
        }
        let found = self.candidate(&claim.key_id).await;
        let candidate = found.map_err(|reason| Denied { scheme, ..Denied::early(reason) })?;
        let verdict = verify::decide(&context, &claim, candidate.as_deref());
        // Before a signature is spent: whoever is told to wait may send the same again.
        let rate = match (&verdict, &candidate) {
            (Verdict::Deny(_), _) | (_, None) => None,
            (_, Some(known)) => self.admit(product, view, known).map_err(|rate| {
                let candidate = Some(Arc::clone(known));
                Denied { scheme, candidate, rate: Some(rate), ..Denied::early(DenyReason::RateLimited) }
            })?,
        };
        let refused = match verdict {
            Verdict::Deny(reason) => Some(reason),
            Verdict::Allow => None,
            Verdict::AllowOnce(spend) => match self.replay.spend(spend, context.now).await {
                Answer::Fresh => None,
                Answer::Spent => Some(DenyReason::Replayed),
                Answer::TooOld => Some(DenyReason::StaleTimestamp),
                Answer::Full => Some(DenyReason::RateLimited),
                Answer::Unknown => Some(DenyReason::Unavailable),
            },
        };
        let candidate = match (refused, candidate) {
            (None, Some(candidate)) => candidate,
            (Some(reason), known) => {
                let candidate = known.filter(|_| reason != DenyReason::UnknownKey);
                if reason == DenyReason::InsecureTransport && claim.proof.shows_secret() {
                    self.exposures.note(&claim.key_id);
                }
                return Err(Denied { scheme, candidate, ..Denied::early(reason) });
            }
            (None, None) => return Err(Denied { scheme, ..Denied::early(DenyReason::UnknownKey) }),
        };
        let exchange = claim.exchange.map(|exchange| self.sell_tokens(&context, exchange, &candidate));
        let token_ends_at = match &claim.proof {
            Proof::Token(claims) => Some(UnixMs(claims.exp.saturating_mul(1000))),
            Proof::Secret(_) | Proof::Signed { .. } | Proof::Message { .. } | Proof::PublicKey => None,
        };
        Ok(Allowed { candidate, scheme: claim.scheme, token_ends_at, rate, exchange })
    }

    fn sell_tokens(&self, context: &Context<'_>, exchange: &TokenExchange, candidate: &Candidate) -> ExchangeAnswer {
        let now = context.now.seconds();
        let mint = |token_use, seconds: i64| {
            let claims = TokenClaims {
                sub: candidate.key_id.to_string(),
                aud: context.product.to_owned(),
                token_use,
                iat: now,
                exp: now.saturating_add(seconds),
            };
            keymint_domain::dialect::answer::quote(&token::mint(context.keyring, &claims))
        };
        let mut values = vec![
            ("access_token", mint(TokenUse::Access, exchange.access_seconds)),
            ("environment", keymint_domain::dialect::answer::quote(context.dialect.environment(candidate.mode))),
            ("expires_in", exchange.access_seconds.to_string()),
        ];
        if exchange.refresh.is_some() {
            values.push(("refresh_token", mint(TokenUse::Refresh, exchange.refresh_seconds)));
        }
        let body = keymint_domain::secret::SecretText::new(exchange.answer.render(&values));
        ExchangeAnswer { status: exchange.status, body }
    }
}

/// Size and content type: cheap, and before any credential.
fn check_body(context: &Context<'_>) -> Result<(), Denied> {
    let (dialect, view) = (context.dialect, context.view);
    if view.body.len() > dialect.body_bytes_max {
        return Err(Denied::early(DenyReason::BodyTooLarge));
    }
    let Some(wanted) = dialect.content_type.as_deref() else { return Ok(()) };
    let given = view.header("content-type");
    if view.body.is_empty() && given.is_none() {
        return Ok(());
    }
    let essence = given.and_then(|value| value.split(|byte| *byte == b';').next()).unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()) {
        return Ok(());
    }
    Err(Denied::early(DenyReason::UnsupportedMediaType))
}
