//! Who issues: an authority's directory, the way to it, our account there, and an order from beginning to end.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64URL_NOPAD;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, Error as AcmeError, ExternalAccountKey,
    HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use keymint_domain::secret::{SecretBytes, SecretText};
use thiserror::Error;

use super::challenges::{ChallengeError, Challenges, Running};
use super::config::{AcmeConfig, ExternalAccountConfig};
use super::keep::{self, KeepError};
use super::{IssuedError, short_digest};
use crate::App;
use crate::master_key::exposed_mode;

/// Longest wait for a connection, and for a whole answer.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);
/// Largest answer of an authority. Bytes: a chain has some 10 KB.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long the authority may take to look at our challenges, and then to issue.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));
/// Longest wait that an authority may ask for. Seconds: as long as an order may take.
const RETRY_AFTER_MAX: u64 = 300;
/// What an authority says of an account that it does not have (RFC 8555 section 6.7).
const ACCOUNT_UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why the way to an authority cannot be made ready.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// The roots.
    #[error("`ca_file`: {} cannot be read: {cause}", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// No roots.
    #[error("`ca_file`: {} holds no certificate that can be read; it must be PEM", .0.display())]
    NoRoots(PathBuf),
    /// The external account's key.
    #[error("`external_account.key_file`: {} cannot be read: {cause}", path.display())]
    ExternalKey {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Others can read it.
    #[error("`external_account.key_file`: {} is readable by others (mode {mode:o}); run `chmod 600` on it", path.display())]
    ExternalKeyExposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is no key.
    #[error("`external_account.key_file`: {} must hold the key in base64url, as the authority says it", .0.display())]
    NoExternalKey(PathBuf),
    /// The client.
    #[error("the client for the authority cannot be made")]
    Client(#[from] reqwest::Error),
}

/// Why an order came to nothing.
#[derive(Debug, Error)]
pub enum OrderError {
    /// The authority, or the way to it.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// The authority could not see the challenge of a host.
    #[error("{host} was not proved: {problem}")]
    NotProved {
        /// The host.
        host: String,
        /// What the authority says.
        problem: Problem,
    },
    /// An order that ended otherwise.
    #[error("the authority ended the order without saying why")]
    Ended,
    /// The authority offers no challenge that a listener can answer.
    #[error("the authority offers no tls-alpn-01 for {0}")]
    NoChallenge(String),
    /// The authority asks for a proof of something that was not ordered.
    #[error("the authority asks about {0}, which was not ordered")]
    NotOrdered(String),
    /// Our side of a challenge.
    #[error("the certificate of a challenge cannot be made")]
    Challenge(#[from] ChallengeError),
    /// The account cannot be kept.
    #[error("the account cannot be kept in the data folder")]
    Keep(#[from] KeepError),
    /// What was issued cannot be shown.
    #[error("what the authority issued cannot be used")]
    Issued(#[from] IssuedError),
    /// It is due for renewal as soon as it is issued.
    #[error(
        "what the authority issued is to be renewed at once: its life is nearly over, or this machine's clock is wrong"
    )]
    DueAtOnce,
    /// It took too long.
    #[error("the order took too long")]
    Deadline,
    /// It broke off, by a mistake of ours or of a library's.
    #[error("the order broke off")]
    Broken(#[from] tokio::task::JoinError),
}

/// What an order is about, and where its challenges are shown.
pub struct Ordering<'a> {
    /// The names of the certificate.
    pub hosts: &'a [String],
    /// Where challenges are shown.
    pub challenges: &'a Arc<Challenges>,
}

/// An authority.
pub struct Authority {
    directory: String,
    contact: Vec<String>,
    external: Option<(String, SecretBytes)>,
    client: reqwest::Client,
    folder: PathBuf,
}

impl Authority {
    /// The authority that a table names, and our account there in a folder below this one. Another contact is another account.
    ///
    /// # Errors
    /// `AuthorityError` says which setting cannot be used.
    pub fn new(config: &AcmeConfig, folder: &Path) -> Result<Self, AuthorityError> {
        // Whoever asks first decides for the process, and everybody asks for this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(ANSWER);
        let builder = match &config.ca_file {
            Some(path) => builder.tls_certs_only(roots(path)?),
            None => builder,
        };
        Ok(Self {
            folder: Self::folder(config, folder),
            directory: config.directory.clone(),
            contact: config.contact.clone(),
            external: config.external_account.as_ref().map(external_key).transpose()?,
            client: builder.build()?,
        })
    }

    /// Where everything of such an account is kept, below a folder.
    pub fn folder(config: &AcmeConfig, folder: &Path) -> PathBuf {
        let bound_to = config.external_account.as_ref().map_or("", |external| &external.key_id);
        let contact = config.contact.iter().map(String::as_str);
        folder.join(short_digest([&*config.directory, bound_to].into_iter().chain(contact)))
    }

    /// Where it is asked.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Orders a certificate: its chain in PEM, and a new key in PEM.
    ///
    /// # Errors
    /// `OrderError`; no challenge is shown any more.
    pub async fn order(&self, app: &App, ordering: &Ordering<'_>) -> Result<(String, SecretText), OrderError> {
        let mut order = self.begin(app, ordering.hosts).await?;
        let running = prove(&mut order, ordering).await?;
        let status = match order.poll_ready(&PATIENCE).await {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(_) => Err(OrderError::Ended),
            Err(error) => Err(error.into()),
        };
        drop(running);
        if let Err(error) = status {
            return Err(not_proved(&mut order).await.unwrap_or(error));
        }
        let key = SecretText::new(order.finalize().await?);
        Ok((order.poll_certificate(&PATIENCE).await?, key))
    }

    /// A new order. An authority that has forgotten our account gets another one.
    async fn begin(&self, app: &App, hosts: &[String]) -> Result<Order, OrderError> {
        let identifiers: Vec<_> = hosts.iter().cloned().map(Identifier::Dns).collect();
        let order = NewOrder::new(&identifiers);
        match self.account(app).await?.new_order(&order).await {
            Err(AcmeError::Api(problem)) if problem.r#type.as_deref() == Some(ACCOUNT_UNKNOWN) => {
                Ok(self.register(app).await?.new_order(&order).await?)
            }
            begun => Ok(begun?),
        }
    }

    /// Our account: the one that was kept, or a new one.
    async fn account(&self, app: &App) -> Result<Account, OrderError> {
        let kept = keep::load(app, &self.record(), &self.account_file());
        let credentials = match kept {
            Ok(text) => text.and_then(|text| serde_json::from_str(text.expose()).ok()),
            Err(error) => {
                tracing::warn!(%error, "the account at the authority cannot be read: a new one is made");
                None
            }
        };
        match credentials {
            Some(credentials) => Ok(Account::builder_with_http(self.http()).from_credentials(credentials).await?),
            None => self.register(app).await,
        }
    }

    async fn register(&self, app: &App) -> Result<Account, OrderError> {
        let contact: Vec<_> = self.contact.iter().map(String::as_str).collect();
        // The configuration was checked: the operator agrees.
        let account = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = self.external.as_ref().map(|(id, key)| ExternalAccountKey::new(id.clone(), key.expose()));
        let builder = Account::builder_with_http(self.http());
        let (account, credentials) = builder.create(&account, self.directory.clone(), external.as_ref()).await?;
        let text = SecretText::new(serde_json::to_string(&credentials).map_err(AcmeError::from)?);
        keep::save(app, &self.record(), &self.account_file(), &text)?;
        tracing::info!(directory = self.directory, account = account.id(), "an account at the authority was made");
        Ok(account)
    }

    fn account_file(&self) -> PathBuf {
        self.folder.join("account.sealed")
    }

    fn record(&self) -> String {
        format!("acme account\0{}\0{}", self.directory, self.contact.join("\0"))
    }

    fn http(&self) -> Box<dyn HttpClient> {
        Box::new(Http(self.client.clone()))
    }
}

fn roots(path: &Path) -> Result<Vec<reqwest::Certificate>, AuthorityError> {
    let text = std::fs::read(path).map_err(|cause| AuthorityError::Roots { path: path.to_owned(), cause })?;
    let roots = reqwest::Certificate::from_pem_bundle(&text).ok().filter(|roots| !roots.is_empty());
    roots.ok_or_else(|| AuthorityError::NoRoots(path.to_owned()))
}

fn external_key(config: &ExternalAccountConfig) -> Result<(String, SecretBytes), AuthorityError> {
    let path = &config.key_file;
    let unreadable = |cause| AuthorityError::ExternalKey { path: path.clone(), cause };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if let Some(mode) = exposed_mode(&file) {
        return Err(AuthorityError::ExternalKeyExposed { path: path.clone(), mode });
    }
    let text = SecretText::new(std::io::read_to_string(file).map_err(unreadable)?);
    let key = BASE64URL_NOPAD.decode(text.expose().trim().trim_end_matches('=').as_bytes());
    let key = key.ok().filter(|key| !key.is_empty()).ok_or_else(|| AuthorityError::NoExternalKey(path.clone()))?;
    Ok((config.key_id.clone(), SecretBytes::new(key)))
}

/// Shows what proves each host that is not proved yet, and says so. The challenges run while what is returned lives.
async fn prove(order: &mut Order, ordering: &Ordering<'_>) -> Result<Vec<Running>, OrderError> {
    let mut running = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let host = authorization.identifier().to_string();
        if !ordering.hosts.contains(&host) {
            return Err(OrderError::NotOrdered(host));
        }
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge = challenge.ok_or_else(|| OrderError::NoChallenge(host.clone()))?;
        running.push(ordering.challenges.run(&host, challenge.key_authorization().digest().as_ref())?);
        challenge.set_ready().await?;
    }
    Ok(running)
}

/// What the authority says of the first host that it could not see proved.
async fn not_proved(order: &mut Order) -> Option<OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let state = authorization.refresh().await.ok()?;
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.clone()) {
            return Some(OrderError::NotProved { host: state.identifier().to_string(), problem });
        }
    }
    None
}

/// The client as the library wants it.
struct Http(reqwest::Client);

impl HttpClient for Http {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, AcmeError>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let request = request.map(reqwest::Body::wrap).try_into().map_err(other)?;
            let mut answer = client.execute(request).await.map_err(other)?;
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await.map_err(other)? {
                if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                    return Err(AcmeError::Str("an answer of less than 1 MiB"));
                }
                body.extend_from_slice(&chunk);
            }
            let (mut parts, _) = http::Response::<reqwest::Body>::from(answer).into_parts();
            drop_wild_wait(&mut parts.headers);
            Ok(BytesResponse { parts, body: Box::new(body.freeze()) })
        })
    }
}

/// Takes away a wait that is no number of seconds that we would wait: the library adds whatever it is to the clock, which
/// panics where the sum has no place.
fn drop_wild_wait(headers: &mut HeaderMap) {
    let seconds = headers.get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.trim().parse::<u64>().ok());
    if seconds.is_none_or(|seconds| seconds > RETRY_AFTER_MAX) {
        headers.remove(RETRY_AFTER);
    }
}

fn other(error: reqwest::Error) -> AcmeError {
    AcmeError::Other(Box::new(error))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{HeaderValue, RETRY_AFTER};

    use super::drop_wild_wait;

    #[test]
    fn an_authority_may_ask_for_a_wait_of_five_minutes_and_for_nothing_else() {
        let left = |wait: &'static str| {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(wait))]);
            drop_wild_wait(&mut headers);
            headers.remove(RETRY_AFTER)
        };
        for good in ["0", "3", " 300 "] {
            assert_eq!(left(good).expect("it stays"), good);
        }
        for bad in ["301", "18446744073709551615", "18446744073709551616", "-1", "", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(left(bad), None, "{bad}");
        }
    }
}
