//! Where Keymint listens, and with which certificates.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use crate::acme::config::AcmeConfig;
use crate::webauthn::Ceremonies;

/// Where to listen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// Console and management API.
    pub console: SocketAddr,
    /// The certificate of the console; without it, it speaks plain HTTP.
    pub console_tls: Option<TlsConfig>,
    /// The address under which people open the console: `https://console.example.com`. Passkeys are bound to it, so
    /// another name makes all of them useless; without it there are none.
    pub console_url: Option<String>,
    /// The gateway.
    pub gateway: SocketAddr,
    /// The certificate of the gateway; without it, it speaks plain HTTP.
    pub gateway_tls: Option<TlsConfig>,
    /// The address under which merchants' servers reach the gateway, for the samples in the console:
    /// `https://pay.example.com`. Without it the console shows the host names of the product, or where it listens.
    pub gateway_url: Option<String>,
    /// The verify API, health, metrics. Has no authentication of its own.
    pub internal: SocketAddr,
    /// The certificate of the internal listener; without it, it speaks plain HTTP.
    pub internal_tls: Option<TlsConfig>,
    /// The networks of proxies in front of gateway, console and internal listener that are believed about who a client is
    /// and whether it came over https. Nobody else is.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    /// Whether programs on this machine may use live credentials over plain HTTP. For development, and only where the
    /// gateway listens on loopback.
    #[serde(default)]
    pub live_over_plain_http: bool,
    /// Threads of the gateway and the internal listener, each with its own runtime; 0: one per core.
    #[serde(default)]
    pub threads: usize,
    /// Set when the internal listener's network is closed to all but the operator's services.
    #[serde(default)]
    pub internal_network_is_private: bool,
    /// Where the proxies that ask by forward-auth name their client: `x-keymint-client-ip` with the configurations in
    /// `deploy/`. Without it the client of such a request is the proxy itself. Each proxy must set it, whatever its
    /// client sent (T89).
    pub client_ip_header: Option<String>,
    /// Envoy's ext_authz over gRPC; without it there is no such listener. Has no authentication of its own.
    pub ext_authz: Option<SocketAddr>,
}

/// The certificates of a listener: those in files, or the one that an authority issues.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those between it and its root, in PEM, the certificate first. It is shown unless a client asks for
    /// a name that one of `also` is for.
    pub certificate: Option<PathBuf>,
    /// Its private key in PEM, mode 0600.
    pub key: Option<PathBuf>,
    /// Certificates for further names.
    #[serde(default)]
    pub also: Vec<PairConfig>,
    /// From whom the certificate comes instead.
    pub acme: Option<AcmeConfig>,
}

/// A certificate for further names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairConfig {
    /// As `TlsConfig::certificate`.
    pub certificate: PathBuf,
    /// As `TlsConfig::key`.
    pub key: PathBuf,
}

impl TlsConfig {
    /// Every pair of files, the first one first.
    pub fn pairs(&self) -> Vec<PairConfig> {
        let first = self.certificate.clone().zip(self.key.clone());
        let first = first.map(|(certificate, key)| PairConfig { certificate, key });
        first.into_iter().chain(self.also.iter().cloned()).collect()
    }

    /// Checks what can be checked without touching anything.
    ///
    /// # Errors
    /// The setting in the table, and what is wrong with it.
    fn check(&self) -> Result<(), (String, String)> {
        let has_files = self.certificate.is_some() || self.key.is_some() || !self.also.is_empty();
        match &self.acme {
            Some(_) if has_files => {
                let problem = "cannot stand beside certificates in files: a listener has the ones or the other";
                Err((".acme".to_owned(), problem.to_owned()))
            }
            Some(acme) => acme.check().map_err(|(setting, problem)| (format!(".acme.{setting}"), problem)),
            None if self.certificate.is_some() && self.key.is_some() => Ok(()),
            None => Err((String::new(), "needs `certificate` and `key`, or a table `acme`".to_owned())),
        }
    }
}

impl ListenConfig {
    /// Whether live credentials can come at all: under TLS of ours, through a proxy that says it had it, or excused.
    pub fn takes_live(&self) -> bool {
        self.gateway_tls.is_some() || !self.trusted_proxies.is_empty() || self.live_over_plain_http
    }

    /// The certificates of each listener that has some.
    fn tls(&self) -> impl Iterator<Item = (&'static str, &TlsConfig)> {
        let all = [("console", &self.console_tls), ("gateway", &self.gateway_tls), ("internal", &self.internal_tls)];
        all.into_iter().filter_map(|(listener, tls)| Some((listener, tls.as_ref()?)))
    }

    /// Whether any listener has a certificate.
    pub fn has_tls(&self) -> bool {
        self.tls().next().is_some()
    }

    /// The listeners whose certificate an authority issues.
    pub fn acme(&self) -> impl Iterator<Item = (&'static str, &AcmeConfig)> {
        self.tls().filter_map(|(listener, tls)| Some((listener, tls.acme.as_ref()?)))
    }

    /// Checks what can be checked without touching anything.
    ///
    /// # Errors
    /// The setting and what is wrong with it.
    pub fn check(&self) -> Result<(), (String, String)> {
        let wrong = |field: &str, problem: &str| Err((field.to_owned(), problem.to_owned()));
        let is_wide = |network: &&IpNet| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 32 };
        if let Some(network) = self.trusted_proxies.iter().find(is_wide) {
            let problem = format!("{network} is too wide: everybody in it could say that it is somebody else");
            return wrong("listen.trusted_proxies", &problem);
        }
        let internal = [("listen.internal", Some(self.internal)), ("listen.ext_authz", self.ext_authz)];
        let is_open = |address: SocketAddr| !address.ip().is_loopback() && !self.internal_network_is_private;
        if let Some((setting, _)) = internal.into_iter().find(|(_, address)| address.is_some_and(is_open)) {
            return wrong(
                setting,
                "is not a loopback address: whoever reaches this listener can verify keys. Bind it to 127.0.0.1, or \
                 set `internal_network_is_private = true` if only your services reach that network",
            );
        }
        for (listener, tls) in self.tls() {
            tls.check().map_err(|(setting, problem)| (format!("listen.{listener}_tls{setting}"), problem))?;
        }
        if self.client_ip_header.as_deref().is_some_and(|name| !is_field_name(name)) {
            return wrong("listen.client_ip_header", "must be the name of a header field, in small letters");
        }
        if self.live_over_plain_http && !self.gateway.ip().is_loopback() {
            return wrong(
                "listen.live_over_plain_http",
                "cannot be set while the gateway listens beyond loopback: whoever sits on the way would read live \
                 secrets. Give it a certificate ([listen.gateway_tls]), or name the proxy that has one (trusted_proxies)",
            );
        }
        if self.gateway_url.as_deref().is_some_and(|url| !is_plain_url(url)) {
            return wrong(
                "listen.gateway_url",
                "must be such as https://pay.example.com: no path, no slash at the end",
            );
        }
        if self.console_url.as_deref().is_some_and(|url| Ceremonies::at(url).is_none()) {
            return wrong(
                "listen.console_url",
                "must be such as https://console.example.com: a name and no bare address, in small letters, no slash at \
                 the end; http only for localhost",
            );
        }
        Ok(())
    }
}

/// Whether a text is the name of a header field, in small letters, that no two programs read differently.
fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a text is scheme and authority of an HTTP address and nothing more.
fn is_plain_url(url: &str) -> bool {
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    !authority.is_empty() && authority.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::{ListenConfig, is_plain_url};

    #[test]
    fn live_over_plain_http_is_for_loopback_alone() {
        let refused = |gateway: &str, is_set: bool| {
            let text = format!(
                "console = \"127.0.0.1:1\"\ninternal = \"127.0.0.1:2\"\ngateway = \"{gateway}\"\n\
                 live_over_plain_http = {is_set}"
            );
            let config: ListenConfig = toml::from_str(&text).expect("the settings");
            config.check().err().map(|(field, _)| field)
        };
        for gateway in ["127.0.0.1:3", "127.9.9.9:3", "[::1]:3"] {
            assert_eq!(refused(gateway, true), None, "{gateway}");
        }
        for gateway in ["0.0.0.0:3", "128.0.0.1:3", "[::]:3", "10.0.0.1:3"] {
            assert_eq!(refused(gateway, true).as_deref(), Some("listen.live_over_plain_http"), "{gateway}");
            assert_eq!(refused(gateway, false), None, "{gateway}");
        }
    }

    #[test]
    fn a_listener_has_certificates_in_files_or_an_authority_and_not_both() {
        let refused = |table: &str| {
            let text = format!(
                "console = \"127.0.0.1:1\"\ninternal = \"127.0.0.1:2\"\ngateway = \"127.0.0.1:3\"\n[gateway_tls]\n{table}"
            );
            let config: ListenConfig = toml::from_str(&text).expect("the settings");
            config.check().err().map(|(field, _)| field)
        };
        let (files, also) =
            ("certificate = \"c\"\nkey = \"k\"\n", "[[gateway_tls.also]]\ncertificate = \"c\"\nkey = \"k\"\n");
        let acme = "[gateway_tls.acme]\ndirectory = \"https://ca.example/\"\nterms_of_service_agreed = true\nhosts = ";
        let named = format!("{acme}[\"a.example\"]\n");
        for good in [files.to_owned(), format!("{files}{also}"), named.clone()] {
            assert_eq!(refused(&good), None, "{good}");
        }
        for bad in ["", "certificate = \"c\"", "key = \"k\"", also] {
            assert_eq!(refused(bad).as_deref(), Some("listen.gateway_tls"), "{bad}");
        }
        for bad in [format!("{files}{named}"), format!("key = \"k\"\n{named}"), format!("{also}{named}")] {
            assert_eq!(refused(&bad).as_deref(), Some("listen.gateway_tls.acme"), "{bad}");
        }
        assert_eq!(refused(&format!("{acme}[]")).as_deref(), Some("listen.gateway_tls.acme.hosts"));
    }

    #[test]
    fn an_address_of_the_gateway_is_scheme_and_authority_and_nothing_more() {
        for good in ["https://pay.example.com", "http://10.0.0.1:8081", "https://[::1]:8443"] {
            assert!(is_plain_url(good), "{good}");
        }
        for bad in
            ["", "https://", "pay.example.com", "ftp://a", "https://a/", "https://a/b", "https://u@a", "https://a'b"]
        {
            assert!(!is_plain_url(bad), "{bad}");
        }
    }
}
