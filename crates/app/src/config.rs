//! The operator's configuration file. Unknown settings are refused, and so is what is unsafe.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use keymint_domain::dialect::parse::limits::RawLimit;
use serde::Deserialize;
use thiserror::Error;

use crate::listen::ListenConfig;
use crate::master_key::MasterKeySource;
use crate::outbound::WebhooksConfig;
use crate::post::{MailConfig, SmsConfig};
use crate::telemetry::TelemetryConfig;
use crate::upstream::UpstreamConfig;

/// Everything `serve` needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where data other than the database lives: the memory of spent signatures.
    pub data: PathBuf,
    /// A translation of what people read, in Fluent; English without it, and where it has no words.
    pub words: Option<PathBuf>,
    /// Listeners.
    pub listen: ListenConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// The key ring.
    pub master_key: MasterKeyConfig,
    /// A folder with the operator's own dialects.
    pub dialects: Option<PathBuf>,
    /// The products.
    #[serde(default)]
    pub product: Vec<ProductConfig>,
    /// The request log.
    #[serde(default)]
    pub request_log: RequestLogConfig,
    /// Limits.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Where mail goes out; without it nobody can sign up or set a new password.
    pub mail: Option<MailConfig>,
    /// Where text messages go out; without it telephones are no second factor.
    pub sms: Option<SmsConfig>,
    /// Webhooks to merchants.
    #[serde(default)]
    pub webhooks: WebhooksConfig,
    /// What a collector is told.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// Which database: exactly one of the two.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// The SQLite file.
    pub sqlite: Option<PathBuf>,
    /// A file with the PostgreSQL address, readable by its owner alone: the address may hold a password.
    pub postgres_url_file: Option<PathBuf>,
}

/// Where the key ring comes from: exactly one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterKeyConfig {
    /// A file, mode 0600.
    pub file: Option<PathBuf>,
    /// A file descriptor that is open at start.
    pub descriptor: Option<u32>,
    /// A command whose output is the ring.
    pub command: Option<Vec<String>>,
}

/// A product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductConfig {
    /// The name: its path on the gateway.
    pub name: String,
    /// The dialect.
    pub dialect: String,
    /// Which of the dialect's secret styles new credentials get; the first when absent.
    pub secret_style: Option<String>,
    /// Which simulated API stands behind test credentials; the dialect's own when absent. `accept` answers 204 to
    /// every authenticated request, for load tests and for trying a client's signing.
    pub sandbox: Option<String>,
    /// Host names where the product is without its path, for test credentials only.
    #[serde(default)]
    pub hosts_test: Vec<String>,
    /// The same for live credentials only.
    #[serde(default)]
    pub hosts_live: Vec<String>,
    /// The service behind test credentials; without it the sandbox.
    pub upstream_test: Option<UpstreamConfig>,
    /// The service behind live credentials; without it live mode answers that there is none.
    pub upstream_live: Option<UpstreamConfig>,
    /// How many requests may come in a while; a rule takes the place of the dialect's of its name.
    #[serde(default)]
    pub limit: Vec<RawLimit>,
}

/// The request log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestLogConfig {
    /// Whether decisions are logged.
    pub enabled: bool,
    /// Decisions that may wait to be written; above this they are counted as lost.
    pub waiting_max: usize,
    /// How long decisions are kept. Days.
    pub keep_days: u32,
    /// How many decisions are kept at the most, whoever's; the oldest go first.
    pub entries_max: i64,
    /// A file that gets them, too, as JSON lines.
    pub export_file: Option<PathBuf>,
}

impl Default for RequestLogConfig {
    fn default() -> Self {
        Self { enabled: true, waiting_max: 65_536, keep_days: 30, entries_max: 50_000_000, export_file: None }
    }
}

/// Limits in memory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Credentials kept ready; about 500 bytes each.
    pub cached_credentials_max: usize,
    /// Signatures remembered per key within its window; above this the key is answered 429.
    pub replay_entries_per_key_max: usize,
    /// Open connections of one listener.
    pub connections_max: usize,
    /// Requests of one merchant and mode that may be on their way upstream at once; above, 429.
    pub merchant_requests_at_once_max: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            cached_credentials_max: 250_000,
            replay_entries_per_key_max: 100_000,
            connections_max: 16_384,
            merchant_requests_at_once_max: 512,
        }
    }
}

/// Why a configuration is refused. Says the setting and what would be right.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file} cannot be read: {cause}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// The file is not understood.
    #[error("{file}, `{field}`: {problem}")]
    Setting {
        /// The file.
        file: String,
        /// The setting.
        field: String,
        /// What is wrong.
        problem: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// `ConfigError` names the setting.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { file: file.clone(), cause })?;
        Self::parse(&text).map_err(|(field, problem)| ConfigError::Setting { file, field, problem })
    }

    /// Reads and checks a text; the error is the setting and what is wrong with it.
    ///
    /// # Errors
    /// The setting and the problem.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        let deserializer =
            toml::Deserializer::parse(text).map_err(|error| ("the file".to_owned(), error.message().to_owned()))?;
        let config: Self = serde_path_to_error::deserialize(deserializer)
            .map_err(|error| (error.path().to_string(), error.into_inner().message().to_owned()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), (String, String)> {
        let wrong = |field: &str, problem: &str| Err((field.to_owned(), problem.to_owned()));
        if self.database.sqlite.is_some() == self.database.postgres_url_file.is_some() {
            return wrong("database", "needs exactly one of `sqlite` and `postgres_url_file`");
        }
        let master_key = &self.master_key;
        let sources = [master_key.file.is_some(), master_key.descriptor.is_some(), master_key.command.is_some()];
        if sources.into_iter().filter(|set| *set).count() != 1 {
            return wrong("master_key", "needs exactly one of `file`, `descriptor` and `command`");
        }
        self.listen.check()?;
        if self.product.is_empty() {
            return wrong("product", "needs at least one `[[product]]`");
        }
        if let Err(problem) = self.webhooks.check() {
            return wrong("webhooks.allowed_networks", &problem);
        }
        if let Err((setting, problem)) = self.telemetry.check() {
            return wrong(&format!("telemetry.{setting}"), problem);
        }
        self.check_upstreams()?;
        if self.limits.cached_credentials_max == 0 || self.limits.replay_entries_per_key_max == 0 {
            return wrong("limits", "must be at least 1 each");
        }
        if self.request_log.keep_days == 0 || self.request_log.entries_max < 1 {
            return wrong("request_log", "`keep_days` and `entries_max` must be at least 1");
        }
        Ok(())
    }

    fn check_upstreams(&self) -> Result<(), (String, String)> {
        let listen = &self.listen;
        let own = [Some(listen.console), Some(listen.gateway), Some(listen.internal), listen.ext_authz];
        let own: Vec<SocketAddr> = own.into_iter().flatten().collect();
        for (index, product) in self.product.iter().enumerate() {
            for (table, upstream) in
                [("upstream_test", &product.upstream_test), ("upstream_live", &product.upstream_live)]
            {
                let Some(upstream) = upstream else { continue };
                let named = |(setting, problem)| (format!("product[{index}].{table}.{setting}"), problem);
                upstream.check(&own).map_err(named)?;
            }
        }
        Ok(())
    }

    /// Where the key ring comes from.
    pub fn master_key_source(&self) -> MasterKeySource {
        let master_key = &self.master_key;
        match (&master_key.file, master_key.descriptor, &master_key.command) {
            (Some(path), ..) => MasterKeySource::File(path.clone()),
            (None, Some(number), _) => MasterKeySource::Descriptor(number),
            (None, None, words) => MasterKeySource::Command(words.clone().unwrap_or_default()),
        }
    }
}

/// Whether a PostgreSQL address stays on this machine: a socket or a loopback address. Anything else needs TLS, which
/// this version does not speak to databases.
pub fn postgres_is_local(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) else {
        return false;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host.is_empty()
        || host == "localhost"
        || host.starts_with("%2F")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
