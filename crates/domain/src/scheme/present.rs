//! The other side: how a client authenticates in a dialect. Our own command line and our tests use it, so what we sign
//! and what we check cannot drift apart.

use thiserror::Error;

use super::http_signature::{self, SignError, SigningParameters};
use crate::dialect::recipe::Ingredients;
use crate::dialect::{Dialect, ExchangeCredentials, Placement, Scheme, SchemeKind};
use crate::request::RequestView;
use crate::time::UnixMs;

/// Who signs, when.
#[derive(Clone, Copy)]
pub struct Holder<'a> {
    /// The key id.
    pub key_id: &'a str,
    /// The secret.
    pub secret: &'a str,
    /// The moment that a signature carries.
    pub now: UnixMs,
    /// A value that no other signature carries.
    pub nonce: &'a str,
}

/// What a client adds to its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// These headers.
    Headers(Vec<(String, String)>),
    /// A token, which is bought first: the call that sells it, and its body.
    Token {
        /// `POST /auth/generate-token/{app_id}`, as the dialect writes it.
        exchange_route: String,
        /// The body; `None` where the exchange takes headers.
        body: Option<String>,
        /// The headers of the exchange.
        headers: Vec<(String, String)>,
    },
}

/// Why nothing could be presented.
#[derive(Debug, Error)]
pub enum PresentError {
    /// No scheme of the dialect is for this call.
    #[error("no scheme of this dialect is for this call")]
    NoScheme,
    /// The message signature could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Authenticates a request in the dialect: with the scheme that its route has for itself, else with the first general
/// one.
///
/// # Errors
/// `PresentError`.
pub fn present(dialect: &Dialect, view: &RequestView<'_>, holder: &Holder<'_>) -> Result<Presented, PresentError> {
    let own = |scheme: &&Scheme| scheme.routes.iter().any(|route| route.matches(view.method, view.route()));
    let general = |scheme: &&Scheme| scheme.routes.is_empty();
    let scheme = dialect.schemes.iter().find(own).or_else(|| dialect.schemes.iter().find(general));
    present_with(dialect, scheme.ok_or(PresentError::NoScheme)?, view, holder)
}

/// Authenticates a request with one scheme.
///
/// # Errors
/// `PresentError`.
pub fn present_with(
    dialect: &Dialect,
    scheme: &Scheme,
    view: &RequestView<'_>,
    holder: &Holder<'_>,
) -> Result<Presented, PresentError> {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let headers = match &scheme.kind {
        SchemeKind::Basic => {
            let pair = format!("{}:{}", holder.key_id, holder.secret);
            vec![header("authorization", format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))]
        }
        SchemeKind::KeyPair { key_id_header, secret_header } => {
            vec![header(key_id_header, holder.key_id.to_owned()), header(secret_header, holder.secret.to_owned())]
        }
        SchemeKind::Bearer => vec![header("authorization", format!("Bearer {}", holder.secret))],
        SchemeKind::Signed(signed) => {
            let timestamp = holder.now.seconds().to_string();
            let ingredients = Ingredients { view, timestamp: &timestamp, key_id: holder.key_id };
            let signature = signed.recipe.sign(ingredients, holder.secret.as_bytes());
            match &signed.placement {
                Placement::Headers { key_id, signature: signature_header, timestamp: timestamp_header } => vec![
                    header(key_id, holder.key_id.to_owned()),
                    header(timestamp_header, timestamp),
                    header(signature_header, signature),
                ],
                Placement::Packed { header: name } => {
                    vec![header(name, format!("{}.{timestamp}.{signature}", holder.key_id))]
                }
            }
        }
        SchemeKind::MessageSignature { .. } => message_signature(view, holder)?,
        SchemeKind::TokenExchange(exchange) => return token(dialect, scheme, &exchange.credentials, holder),
    };
    Ok(Presented::Headers(headers))
}

fn message_signature(view: &RequestView<'_>, holder: &Holder<'_>) -> Result<Vec<(String, String)>, SignError> {
    let components = http_signature::default_components(view);
    let parameters = SigningParameters {
        label: "sig1",
        components: &components,
        keyid: holder.key_id,
        created: holder.now.seconds(),
        expires: None,
        nonce: Some(holder.nonce),
        tag: None,
    };
    let fields = http_signature::sign(view, &parameters, holder.secret.as_bytes())?;
    let mut headers =
        vec![("signature-input".to_owned(), fields.signature_input), ("signature".to_owned(), fields.signature)];
    headers.extend(fields.content_digest.map(|digest| ("content-digest".to_owned(), digest)));
    Ok(headers)
}

fn token(
    dialect: &Dialect,
    scheme: &Scheme,
    credentials: &ExchangeCredentials,
    holder: &Holder<'_>,
) -> Result<Presented, PresentError> {
    let SchemeKind::TokenExchange(exchange) = &scheme.kind else { return Err(PresentError::NoScheme) };
    let exchange_route = exchange.exchange.to_string();
    match credentials {
        ExchangeCredentials::Body { key_id_fields, secret_field } => {
            let field = key_id_fields.first().map_or("key_id", |field| &**field);
            let body = serde_json::json!({ field: holder.key_id, &**secret_field: holder.secret });
            Ok(Presented::Token { exchange_route, body: Some(body.to_string()), headers: Vec::new() })
        }
        ExchangeCredentials::KeyPair => {
            let pair = dialect.schemes.iter().find_map(|scheme| match &scheme.kind {
                SchemeKind::KeyPair { key_id_header, secret_header } => Some((key_id_header, secret_header)),
                _ => None,
            });
            let (key_id_header, secret_header) = pair.ok_or(PresentError::NoScheme)?;
            let headers = vec![
                (key_id_header.to_string(), holder.key_id.to_owned()),
                (secret_header.to_string(), holder.secret.to_owned()),
            ];
            Ok(Presented::Token { exchange_route, body: None, headers })
        }
    }
}
