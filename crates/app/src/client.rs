//! A client of the management API and of gateways, for the command line.

use std::time::Duration;

use keymint_domain::secret::SecretText;
use serde_json::Value;
use thiserror::Error;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why a call failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No answer.
    #[error("nothing answers at {url} ({cause}). Is Keymint running there? `keymint dev` starts one")]
    Unreachable {
        /// Where.
        url: String,
        /// What went wrong on the way.
        cause: String,
    },
    /// No address that can be called.
    #[error("{url} is no address; it begins with http:// or https://, as in http://127.0.0.1:8080")]
    Address {
        /// What was given.
        url: String,
    },
    /// The token is none.
    #[error("the token in KEYMINT_TOKEN is not one of this Keymint, or was revoked; `keymint dev` prints one")]
    Token,
    /// Something answers that is no management API.
    #[error(
        "{url} answered {status}, but not as a management API does; it is on the console's port, as in http://127.0.0.1:8080"
    )]
    NotManagement {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that says no.
    #[error("{status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code.
        code: String,
        /// What is the matter and what to do.
        message: String,
    },
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A call.
#[derive(Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a str,
    /// The address.
    pub url: String,
    /// The header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What lies at the bottom of an error: "connection refused" rather than "error sending request".
fn deepest(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(error.source(), |error| error.source());
    chain.last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Makes a call. Follows no redirect and uses no proxy.
///
/// # Errors
/// `ClientError::Unreachable`; `ClientError::Address`.
pub async fn send(call: Call<'_>) -> Result<Reply, ClientError> {
    let unreachable = |url: &str, error: reqwest::Error| {
        let cause = deepest(&error.without_url());
        ClientError::Unreachable { url: url.to_owned(), cause }
    };
    if !call.url.starts_with("http://") && !call.url.starts_with("https://") {
        return Err(ClientError::Address { url: call.url });
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        .build()
        .map_err(|error| unreachable(&call.url, error))?;
    let method = reqwest::Method::from_bytes(call.method.as_bytes()).unwrap_or(reqwest::Method::GET);
    let mut request = client.request(method, &call.url).body(call.body);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|error| unreachable(&call.url, error))?;
    let status = response.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = response.bytes().await.map_err(|error| unreachable(&call.url, error))?.to_vec();
    Ok(Reply { status, headers, body })
}

/// A management API with a token for it.
pub struct Management {
    base: String,
    token: SecretText,
}

impl Management {
    /// The API at `base` (`http://127.0.0.1:8080`).
    pub fn new(base: &str, token: SecretText) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), token }
    }

    /// Listens to server-sent events, from the one that was seen last on.
    ///
    /// # Errors
    /// `ClientError`, as long as nothing has been heard.
    pub async fn stream(&self, path: &str, last: Option<&str>) -> Result<EventStream, ClientError> {
        let url = format!("{}/api/v1{path}", self.base);
        let unreachable = |error: reqwest::Error| {
            let cause = deepest(&error.without_url());
            ClientError::Unreachable { url: self.base.clone(), cause }
        };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(ClientError::Address { url });
        }
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.connect_timeout(DEADLINE).read_timeout(DEADLINE).build().map_err(unreachable)?;
        let mut request = client.get(&url).bearer_auth(self.token.expose());
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(EventStream { response, heard: Vec::new() });
        }
        let body = response.bytes().await.map_err(unreachable)?;
        Err(self.refusal(status, &body))
    }

    /// Makes a call and reads the JSON answer.
    ///
    /// # Errors
    /// `ClientError`.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let mut headers = vec![("authorization".to_owned(), format!("Bearer {}", self.token.expose()))];
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let url = format!("{}/api/v1{path}", self.base);
        let reply = send(Call { method, url, headers, body }).await?;
        if (200..300).contains(&reply.status) {
            return Ok(serde_json::from_slice(&reply.body).unwrap_or(Value::Null));
        }
        Err(self.refusal(reply.status, &reply.body))
    }

    /// What an answer says that is no success.
    fn refusal(&self, status: u16, body: &[u8]) -> ClientError {
        if status == 401 {
            return ClientError::Token;
        }
        let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("code").is_empty() {
            return ClientError::NotManagement { url: self.base.clone(), status };
        }
        let message = [text("field"), text("detail")].into_iter().filter(|part| !part.is_empty());
        ClientError::Refused { status, code: text("code"), message: message.collect::<Vec<_>>().join(": ") }
    }
}

/// Server-sent events as they come (HTML Living Standard, section 9.2), of which the `data` is told.
pub struct EventStream {
    response: reqwest::Response,
    heard: Vec<u8>,
}

/// Longest event. Bytes: a body of 64 KiB, every character of it escaped, and its names.
const EVENT_BYTES_MAX: usize = 512 * 1024;

impl EventStream {
    /// The data of the next event; nothing when the stream has ended, or nobody has said anything for too long.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.heard.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.heard.drain(..end + 2).collect();
                let event = String::from_utf8_lossy(&event).into_owned();
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return Some(data.to_owned());
                }
                continue;
            }
            if self.heard.len() > EVENT_BYTES_MAX {
                return None;
            }
            self.heard.extend_from_slice(&self.response.chunk().await.ok()??);
        }
    }
}
