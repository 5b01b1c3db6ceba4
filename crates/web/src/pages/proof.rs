//! Second proofs on pages. A form whose act needs one is answered with a page that asks for it and carries the form
//! along; sent again with the answer, the act goes on. Works without scripts, and nothing typed is lost.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::people;
use keymint_app::ops::proofs::{self, Challenge, Factor};
use keymint_app::say;
use keymint_domain::time::UnixMs;

use super::passkeys::{Asking, SEND};
use super::session::{Visitor, with_cookie};
use super::{Problem, page};

/// The form that waits for a proof.
pub struct Waiting<'a> {
    /// Where it goes.
    pub to: String,
    /// What it sends, but the answer.
    pub fields: Vec<(&'static str, String)>,
    /// What is about to be done, in the words of the button.
    pub act: &'a str,
}

/// The answer that a form brings.
pub struct Given<'a> {
    /// The challenge.
    pub challenge: &'a str,
    /// The code.
    pub code: &'a str,
}

/// The session's new cookie, where a proof was given with this request: the response of the act has to carry it.
pub struct Carry(Option<keymint_domain::secret::SecretText>);

impl Carry {
    /// Nothing to carry.
    pub fn nothing() -> Self {
        Self(None)
    }

    /// Adds the cookie to a response.
    pub fn onto(self, response: Response, headers: &HeaderMap) -> Response {
        match self.0 {
            Some(secret) => with_cookie(response, headers, secret.expose(), ""),
            None => response,
        }
    }
}

#[derive(Template)]
#[template(path = "proof.html")]
struct ProofPage<'a> {
    act: &'a str,
    to: &'a str,
    fields: &'a [(&'static str, String)],
    challenge: String,
    asking: Asking,
    is_sent: bool,
    sent_to: String,
    problem: &'a str,
}

/// Lets through whoever has given a proof in this session a short while ago, or gives it now.
///
/// # Errors
/// `Problem::Instead` with the page that asks, or with the way to set up a second factor.
pub async fn gate(app: &App, visitor: &mut Visitor, given: Given<'_>, waiting: Waiting<'_>) -> Result<Carry, Problem> {
    if visitor.person.has_proved() {
        return Ok(Carry::nothing());
    }
    // Nothing to give a proof with; or nothing that is sent would do: the page says until when, and why.
    let first = visitor.person.means.first().filter(|_| visitor.person.means.rests_until().is_none());
    let Some(first) = first else {
        return Err(Problem::Instead(Box::new(Redirect::to("/security?needed=1").into_response())));
    };
    // One act of one form: the address says which.
    let purpose = format!("step_up {}", waiting.to);
    let mut problem = "";
    if !given.challenge.is_empty() {
        let proof = proofs::give(app, &visitor.person, &purpose, (given.challenge, given.code)).await?;
        if proof.is_some() {
            visitor.person.proved_at = Some(visitor.person.now);
            return Ok(Carry(proof));
        }
        problem = if given.code.starts_with('{') { say!("proof-passkey-refused") } else { say!("proof-code-wrong") };
    }
    let instead = visitor.person.means.instead();
    let factor = instead.filter(|other| given.code == SEND && *other == Factor::SentCode).unwrap_or(first);
    let challenge = challenge(app, visitor, given.challenge, (&purpose, factor)).await?;
    let instead = instead.filter(|_| challenge.factor == Factor::Passkey);
    let view = ProofPage {
        act: waiting.act,
        to: &waiting.to,
        fields: &waiting.fields,
        challenge: challenge.id.to_string(),
        is_sent: matches!(challenge.factor, Factor::SentCode | Factor::MailedCode),
        asking: Asking::new(&visitor.place, (challenge.factor, challenge.options), instead),
        sent_to: challenge.sent_to,
        problem,
    };
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Err(Problem::Instead(Box::new(page(status, &view)?)))
}

#[derive(Template)]
#[template(path = "test_code.html")]
struct TestCodePage<'a> {
    to: &'a str,
    fields: &'a [(&'static str, String)],
    code: &'a str,
    problem: &'a str,
}

/// Lets through a form that brings the code of test mode, which everybody knows: what live mode asks for is rehearsed here,
/// and nothing is proved.
///
/// # Errors
/// `Problem::Instead` with the page that asks.
pub fn rehearse(code: &str, given: Given<'_>, waiting: Waiting<'_>) -> Result<(), Problem> {
    if proofs::plain(given.code) == code {
        return Ok(());
    }
    let is_first = given.code.is_empty();
    let problem = if is_first { "" } else { say!("proof-test-code-wrong") };
    let Waiting { to, fields, .. } = waiting;
    let view = TestCodePage { to: &to, fields: &fields, code, problem };
    let status = if is_first { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Err(Problem::Instead(Box::new(page(status, &view)?)))
}

/// A new challenge; or, where one was answered wrongly, the same again: that has used up one of its tries.
async fn challenge(
    app: &App,
    visitor: &Visitor,
    answered: &str,
    (purpose, factor): (&str, Factor),
) -> Result<Challenge, Problem> {
    let person = &visitor.person;
    if answered.is_empty() {
        let who = (person.user, Some(person.session));
        return Ok(proofs::ask(app, who, (factor, person.means.address(factor)), purpose).await?);
    }
    let id = answered.parse().map_err(|_| Problem::Stale)?;
    let (user, asked) = proofs::again(app, purpose, id).await?;
    let challenge = if user == Some(person.user) { asked } else { Challenge::new(id, factor) };
    let address = person.means.address(challenge.factor).unwrap_or_default();
    let sent_to = if challenge.factor == Factor::SentCode { proofs::hidden(address) } else { address.to_owned() };
    Ok(Challenge { sent_to, ..challenge })
}

/// The minutes for which a proof still covers further acts; nothing where there is none.
pub fn minutes_left(person: &people::Person) -> Option<i64> {
    let UnixMs(at) = person.proved_at.filter(|_| person.has_proved())?;
    Some((at + proofs::FRESH_MS - person.now.0) / 60_000 + 1)
}
