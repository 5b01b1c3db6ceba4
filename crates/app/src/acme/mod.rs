//! Certificates by ACME (RFC 8555), proved on the listeners themselves (TLS-ALPN-01, RFC 8737): nothing else is needed than
//! that port 443 of each host leads to one of them.
//!
//! Each certificate is kept sealed in the data folder and shown from there after a restart. One task looks after all of
//! them, one after the other, so that there is one account at each authority and one order at a time: it orders what is not
//! there, renews what is due (the domain's `renewal.rs`), and waits longer after each failure. Whatever fails, the
//! certificate before is shown until it ends.

pub mod challenges;
pub mod config;

mod authority;
mod keep;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use keymint_domain::renewal::Validity;
use keymint_domain::secret::SecretText;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{Notify, watch};

use crate::App;
use crate::certificate::{Pair, PairError};
use authority::{Authority, OrderError, Ordering};
use challenges::Challenges;
use config::AcmeConfig;
use upkeep::Upkeep;

pub use authority::AuthorityError;

/// Longest sleep between two looks at the clock: the machine may sleep, too.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// As much of a host as is in the name of a file. Bytes: file systems take 255.
const NAMED_MAX: usize = 200;
/// How long an order may take.
const ORDER: Duration = Duration::from_secs(300);

/// The certificates by ACME of all listeners.
#[derive(Clone)]
pub struct Acme {
    folder: PathBuf,
    certificates: Vec<Arc<Managed>>,
    challenges: Arc<Challenges>,
    wake: Arc<Notify>,
}

/// A certificate that is looked after.
pub struct Managed {
    authority: Authority,
    hosts: Vec<String>,
    /// Where it is kept.
    pub file: PathBuf,
    current: ArcSwapOption<Issued>,
    /// Whether the last that was issued could not be written to its file.
    is_unkept: AtomicBool,
}

/// A certificate that was issued, with its key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate and those up to its root, in PEM.
    pub chain: String,
    /// Its private key in PEM.
    pub key: SecretText,
    /// From when to when it is valid.
    pub validity: Validity,
}

/// How a certificate is kept, before it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    chain: String,
    key: String,
}

/// Why a certificate that was issued is not shown.
#[derive(Debug, Error)]
pub enum IssuedError {
    /// It and its key.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// It is for others.
    #[error("the certificate is not for {0}")]
    NotFor(String),
    /// It has ended, or has not begun, by this machine's clock.
    #[error(
        "the certificate is not valid now by this machine's clock, but from {not_before} to {not_after} (seconds since 1970)"
    )]
    NotNow {
        /// The beginning.
        not_before: i64,
        /// The end.
        not_after: i64,
    },
}

impl Issued {
    /// A chain and a key in PEM, if they can be shown for all of these hosts.
    fn new(chain: String, key: SecretText, hosts: &[String]) -> Result<Self, IssuedError> {
        let pair = Pair::parse(chain.as_bytes(), key.expose().as_bytes())?;
        let is_for = |host: &str| ServerName::try_from(host).is_ok_and(|name| pair.is_for(&name));
        match hosts.iter().find(|host| !is_for(host)) {
            Some(other) => Err(IssuedError::NotFor(other.clone())),
            None => Ok(Self { chain, key, validity: pair.validity }),
        }
    }

    fn is_older_than(&self, other: &Self) -> bool {
        self.validity.not_before < other.validity.not_before
    }

    /// This one, if it is valid at a moment. Seconds since the epoch.
    fn valid_at(self, moment: i64) -> Result<Self, IssuedError> {
        let Validity { not_before, not_after } = self.validity;
        if self.validity.has(moment) { Ok(self) } else { Err(IssuedError::NotNow { not_before, not_after }) }
    }
}

impl Acme {
    /// None yet, and a folder for those that come.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, certificates: Vec::new(), challenges: Arc::default(), wake: Arc::default() }
    }

    /// Looks after the certificate of a listener's table. Those with the same directory and hosts have one
    /// certificate, from the account of the first.
    ///
    /// # Errors
    /// `AuthorityError` says which setting cannot be used.
    pub fn add(&mut self, app: &App, config: &AcmeConfig) -> Result<(), AuthorityError> {
        let managed = Managed::new(config, &self.folder)?;
        if self.find(config).is_none() {
            managed.current.store(managed.kept(app).map(Arc::new));
            app.metrics.acme_waits(managed.host(), 0);
            self.certificates.push(Arc::new(managed));
        }
        Ok(())
    }

    /// The certificate of a listener's table.
    pub fn find(&self, config: &AcmeConfig) -> Option<&Arc<Managed>> {
        let file = Managed::file(config, &self.folder);
        self.certificates.iter().find(|managed| managed.file == file)
    }

    /// The running challenges.
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }

    /// Looks at once: at what was taken away from the folder, and at what failed.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Looks after the certificates until told to stop. The listeners must be there: the authority asks them.
    pub fn carry(&self, app: &App, mut stop: watch::Receiver<bool>) {
        if self.certificates.is_empty() {
            return;
        }
        let (acme, app) = (self.clone(), app.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = acme.look_after(&app) => {}
                _ = stop.changed() => {}
            }
        });
    }

    async fn look_after(&self, app: &App) {
        let mut all: Vec<_> = self.certificates.iter().map(|managed| Upkeep::new(app, Arc::clone(managed))).collect();
        loop {
            let mut pause = LOOK_EVERY;
            for upkeep in &mut all {
                pause = pause.min(upkeep.look(app, &self.challenges).await);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wake.notified() => all.iter_mut().for_each(|upkeep| upkeep.look_again(app)),
            }
        }
    }
}

impl Managed {
    fn new(config: &AcmeConfig, folder: &Path) -> Result<Self, AuthorityError> {
        let mut hosts = config.hosts.clone();
        hosts.sort();
        let (authority, file) = (Authority::new(config, folder)?, Self::file(config, folder));
        Ok(Self { authority, hosts, file, current: ArcSwapOption::empty(), is_unkept: AtomicBool::new(false) })
    }

    /// Where the certificate of a table is kept: named after its first host, so that people find it, and after
    /// all of them. Another contact or account takes none away.
    fn file(config: &AcmeConfig, folder: &Path) -> PathBuf {
        let mut hosts: Vec<_> = config.hosts.iter().map(String::as_str).collect();
        hosts.sort_unstable();
        let first = hosts.first().and_then(|host| host.get(..host.len().min(NAMED_MAX))).unwrap_or_default();
        let below = folder.join(short_digest([&*config.directory]));
        below.join(format!("{first}-{}.sealed", short_digest(hosts)))
    }

    /// The certificate that is shown now, if there is one.
    pub fn current(&self) -> Option<Arc<Issued>> {
        self.current.load_full()
    }

    /// The first of its hosts, by which metrics name it.
    fn host(&self) -> &str {
        self.hosts.first().map_or("", String::as_str)
    }

    /// Its hosts, for people.
    fn names(&self) -> String {
        self.hosts.join(", ")
    }

    fn record(&self) -> String {
        format!("acme certificate\0{}\0{}", self.authority.directory(), self.hosts.join("\0"))
    }

    /// What is kept of it. What cannot be read is as good as nothing: another one can be had.
    fn kept(&self, app: &App) -> Option<Issued> {
        let text = match keep::load(app, &self.record(), &self.file) {
            Ok(text) => text?,
            Err(error) => {
                tracing::warn!(file = %self.file.display(), %error, "a certificate by ACME cannot be read: a new one is ordered");
                return None;
            }
        };
        let Kept { chain, key } = serde_json::from_str(text.expose()).ok()?;
        let issued = Issued::new(chain, SecretText::new(key), &self.hosts);
        issued
            .inspect_err(|error| {
                tracing::warn!(file = %self.file.display(), %error, "a certificate by ACME cannot be used: a new one is ordered");
            })
            .ok()
    }

    fn keep(&self, app: &App, issued: &Issued) {
        let kept = Kept { chain: issued.chain.clone(), key: issued.key.expose().to_owned() };
        let text = SecretText::new(serde_json::to_string(&kept).expect("two texts are JSON"));
        let saved = keep::save(app, &self.record(), &self.file, &text);
        self.is_unkept.store(saved.is_err(), SeqCst);
        if let Err(error) = saved {
            tracing::error!(file = %self.file.display(), %error, "a certificate by ACME cannot be kept, which is tried again: a start before that orders another one");
        }
    }

    /// Whether what was issued last is in its file, as far as we know.
    fn is_kept(&self) -> bool {
        !self.is_unkept.load(SeqCst)
    }

    /// Keeps what is shown, where that has failed; whether it is kept then.
    fn keep_again(&self, app: &App) -> bool {
        if let Some(current) = self.current().filter(|_| !self.is_kept()) {
            self.keep(app, &current);
        }
        self.is_kept()
    }

    /// Shows what was kept, unless what is shown was issued after it.
    fn show_again(&self, kept: Issued) -> bool {
        let is_older = self.current().is_some_and(|current| kept.is_older_than(&current));
        if is_older {
            tracing::warn!(file = %self.file.display(), "the certificate in the file is older than the one that is shown, which stays");
        } else {
            self.current.store(Some(Arc::new(kept)));
        }
        !is_older
    }

    /// Orders a new one and shows it.
    async fn renew(&self, app: &App, challenges: &Arc<Challenges>) -> Result<Validity, OrderError> {
        let ordering = Ordering { hosts: &self.hosts, challenges };
        let ordered = tokio::time::timeout(ORDER, self.authority.order(app, &ordering)).await;
        let (chain, key) = ordered.map_err(|_| OrderError::Deadline)??;
        let issued = Issued::new(chain, key, &self.hosts)?.valid_at(app.clock.now().seconds())?;
        self.keep(app, &issued);
        let validity = issued.validity;
        self.current.store(Some(Arc::new(issued)));
        Ok(validity)
    }
}

/// A short name for a list of texts: 64 bits of its digest.
fn short_digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let list: Vec<u8> = parts.into_iter().flat_map(|part| part.bytes().chain([0])).collect();
    HEXLOWER.encode(digest(&SHA256, &list).as_ref().first_chunk::<8>().expect("a digest is longer"))
}

#[cfg(test)]
mod tests {
    use keymint_domain::secret::SecretText;
    use rcgen::generate_simple_self_signed;

    use super::config::{AcmeConfig, ExternalAccountConfig};
    use super::{Issued, IssuedError, Managed, Path, Validity};
    use crate::certificate::PairError;

    #[test]
    fn a_certificate_is_kept_for_its_directory_and_hosts_whoever_asked_for_it() {
        let file = |change: fn(&mut AcmeConfig)| {
            let mut config = AcmeConfig {
                directory: "https://ca.example/".to_owned(),
                contact: Vec::new(),
                hosts: vec!["b.example".to_owned(), "a.example".to_owned()],
                terms_of_service_agreed: true,
                ca_file: None,
                external_account: None,
            };
            change(&mut config);
            Managed::file(&config, Path::new("/acme"))
        };
        let first = file(|_| {});
        assert_eq!(file(|config| config.contact.push("mailto:ops@example.com".to_owned())), first);
        let external = |config: &mut AcmeConfig| {
            config.external_account = Some(ExternalAccountConfig { key_id: "1".to_owned(), key_file: "key".into() });
        };
        assert_eq!(file(external), first);
        assert_eq!(file(|config| config.hosts.reverse()), first);
        assert_ne!(file(|config| config.directory.push('a')), first);
        assert_ne!(file(|config| config.hosts.truncate(1)), first);
    }

    #[test]
    fn what_is_kept_is_older_from_one_second_on() {
        let from = |not_before| Issued {
            chain: String::new(),
            key: SecretText::new(String::new()),
            validity: Validity { not_before, not_after: 1_000 },
        };
        assert_eq!([99, 100, 101].map(|kept| from(kept).is_older_than(&from(100))), [true, false, false]);
    }

    #[test]
    fn what_was_issued_is_taken_with_its_own_key_and_for_all_of_its_hosts_alone() {
        let hosts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let [ours, other] =
            [0, 1].map(|_| generate_simple_self_signed(hosts(&["a.example", "b.example"])).expect("one"));
        let issued = |chain: &str, key: &str, names: &[&str]| {
            Issued::new(chain.to_owned(), SecretText::new(key.to_owned()), &hosts(names))
        };
        let (chain, key) = (ours.cert.pem(), ours.signing_key.serialize_pem());
        let life = issued(&chain, &key, &["a.example", "b.example"]).expect("it is whole").validity;
        for (moment, is_taken) in
            [(life.not_before - 1, false), (life.not_before, true), (life.not_after, true), (life.not_after + 1, false)]
        {
            let whole = issued(&chain, &key, &["a.example"]).expect("it is whole");
            assert_eq!(whole.valid_at(moment).is_ok(), is_taken, "{moment}");
        }
        assert!(issued(&chain, &key, &["a.example"]).is_ok(), "it may be for more");
        for host in ["c.example", "example", "www.a.example", ""] {
            let refused = issued(&chain, &key, &["a.example", host]);
            assert!(matches!(refused, Err(IssuedError::NotFor(other)) if other == host), "{host}");
        }
        let refused = |chain: &str, key: &str| match issued(chain, key, &["a.example"]) {
            Err(IssuedError::Pair(error)) => error,
            taken => panic!("{taken:?}"),
        };
        assert!(matches!(refused(&chain, &other.signing_key.serialize_pem()), PairError::Mismatch));
        assert!(matches!(refused(&chain, &chain), PairError::NoKey));
        assert!(matches!(refused("", &key), PairError::NoCertificate));
        let broken = chain.replacen("MII", "MIJ", 1);
        assert!(broken != chain && matches!(refused(&broken, &key), PairError::NoCertificate));
    }
}
