//! The mail and text messages that would have been sent: `dev` alone, which has no other place for them.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keymint_app::App;
use keymint_app::say;
use keymint_app::store_types::Channel;

use super::{Problem, page};
use crate::api::extract::rfc3339;

struct LetterLine {
    at: String,
    kind: &'static str,
    to: String,
    subject: String,
    text: String,
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct OutboxPage {
    letters: Vec<LetterLine>,
}

/// The newest letters. Nobody has to sign in: whoever signs up needs the code in them, and all of it is on this machine.
pub async fn list(State(app): State<App>) -> Result<Response, Problem> {
    let letters = app.kept_letters().await?.into_iter().map(|(letter, text)| LetterLine {
        at: rfc3339(letter.at),
        kind: match letter.channel {
            Channel::Mail => say!("outbox-mail"),
            Channel::Sms => say!("outbox-sms"),
        },
        to: letter.recipient,
        subject: letter.subject,
        text: text.expose().to_owned(),
    });
    page(StatusCode::OK, &OutboxPage { letters: letters.collect() })
}
