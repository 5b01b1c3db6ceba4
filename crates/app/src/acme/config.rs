//! The table of a listener that names an authority: which settings can work, and which cannot.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

/// Names of one certificate: what Let's Encrypt takes.
const HOSTS_MAX: usize = 100;

/// `[listen.…_tls.acme]`: from whom the certificate of a listener comes, and for which names.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// The authority's directory (RFC 8555 section 7.1.1): `https://acme-v02.api.letsencrypt.org/directory`.
    pub directory: String,
    /// Whom the authority may write to: `mailto:ops@example.com`. May be empty.
    #[serde(default)]
    pub contact: Vec<String>,
    /// The names of the certificate, in small letters. Their port 443 leads to a listener of this Keymint that has TLS.
    pub hosts: Vec<String>,
    /// Whether the operator agrees to the authority's terms of service; nothing is asked of it otherwise.
    #[serde(default)]
    pub terms_of_service_agreed: bool,
    /// The roots that the directory's own certificate is checked against, in PEM, for an authority that is not public;
    /// those of the system without it.
    pub ca_file: Option<PathBuf>,
    /// The customer's account at the authority that ours is bound to, where it wants that.
    pub external_account: Option<ExternalAccountConfig>,
}

/// `[listen.…_tls.acme.external_account]` (RFC 8555 section 7.3.4).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccountConfig {
    /// The key's id, as the authority says it.
    pub key_id: String,
    /// A file with the key in base64url, as the authority says it; mode 0600.
    pub key_file: PathBuf,
}

impl AcmeConfig {
    /// Checks what can be checked without touching anything.
    ///
    /// # Errors
    /// The setting in the table, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |setting, problem: &str| Err((setting, problem.to_owned()));
        if !is_directory(&self.directory) {
            return wrong(
                "directory",
                "must be the https address of an authority's directory, such as \
                 https://acme-v02.api.letsencrypt.org/directory: over http anybody on the way could be the authority",
            );
        }
        if !self.terms_of_service_agreed {
            return wrong(
                "terms_of_service_agreed",
                "must be `true`: read the authority's terms of service, to which its directory has the link",
            );
        }
        if let Some(contact) = self.contact.iter().find(|contact| !is_contact(contact)) {
            return Err(("contact", format!("`{contact}` must be such as mailto:ops@example.com")));
        }
        self.check_hosts().map_err(|problem| ("hosts", problem))
    }

    fn check_hosts(&self) -> Result<(), String> {
        if self.hosts.is_empty() || self.hosts.len() > HOSTS_MAX {
            return Err(format!("needs 1 to {HOSTS_MAX} names, such as [\"api.example.com\"]"));
        }
        for (place, host) in self.hosts.iter().enumerate() {
            if host.parse::<IpAddr>().is_ok() {
                return Err(format!("`{host}` is an address; the certificate is for names"));
            }
            if host.starts_with("*.") {
                return Err(format!(
                    "`{host}` is for more than one name, which is proved by DNS alone (RFC 8555 section 8.4) and not by a \
                     listener; name each host"
                ));
            }
            if !is_host(host) {
                return Err(format!("`{host}` must be a name such as api.example.com, in small letters"));
            }
            if self.hosts.iter().take(place).any(|before| before == host) {
                return Err(format!("`{host}` stands there twice"));
            }
        }
        Ok(())
    }
}

fn is_directory(text: &str) -> bool {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.host().is_some());
    url.is_some_and(|url| url.username().is_empty() && url.password().is_none() && url.fragment().is_none())
}

fn is_contact(text: &str) -> bool {
    let address = text.strip_prefix("mailto:").and_then(|address| address.split_once('@'));
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"@,?".contains(&byte));
    address.is_some_and(|(user, host)| plain(user) && plain(host))
}

/// Whether a text is a host name (RFC 1123 section 2.1), in small letters and without a dot at the end.
fn is_host(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::AcmeConfig;

    fn config(change: impl FnOnce(&mut AcmeConfig)) -> AcmeConfig {
        let mut config = AcmeConfig {
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            contact: vec!["mailto:ops@example.com".to_owned()],
            hosts: vec!["api.example.com".to_owned()],
            terms_of_service_agreed: true,
            ca_file: None,
            external_account: None,
        };
        change(&mut config);
        config
    }

    fn refused(change: impl FnOnce(&mut AcmeConfig)) -> Option<&'static str> {
        config(change).check().err().map(|(setting, _)| setting)
    }

    #[test]
    fn a_directory_is_asked_over_https_alone() {
        for good in ["https://ca.example/acme", "https://127.0.0.1:14000/dir", "https://[::1]:14000/dir?a=b"] {
            assert_eq!(refused(|config| config.directory = good.to_owned()), None, "{good}");
        }
        for bad in
            ["", "http://ca.example/acme", "ca.example/acme", "https://", "https://u:p@ca.example/", "https://u@a/"]
        {
            assert_eq!(refused(|config| config.directory = bad.to_owned()), Some("directory"), "{bad}");
        }
    }

    #[test]
    fn terms_are_agreed_to_in_so_many_words_and_contacts_are_addresses() {
        assert_eq!(refused(|config| config.terms_of_service_agreed = false), Some("terms_of_service_agreed"));
        assert_eq!(refused(|config| config.contact = Vec::new()), None);
        for bad in ["ops@example.com", "mailto:", "mailto:ops", "mailto:@example.com", "mailto:a@b,c@d", "tel:1"] {
            assert_eq!(refused(|config| config.contact.push(bad.to_owned())), Some("contact"), "{bad}");
        }
    }

    #[test]
    fn hosts_are_names_in_small_letters_each_once() {
        let long = format!("{}.example", "a".repeat(63));
        for good in ["localhost", "a-b.example", "1.example", "xn--mnchen-3ya.example", &long] {
            assert_eq!(refused(|config| config.hosts.push(good.to_owned())), None, "{good}");
        }
        let too_long = format!("a{long}");
        for bad in
            ["", "10.0.0.1", "::1", "*.example.com", "API.example.com", "api.example.com.", "a..b", "-a.b", "a-.b"]
        {
            assert_eq!(refused(|config| config.hosts.push(bad.to_owned())), Some("hosts"), "{bad}");
        }
        for bad in ["a_b.example", "a b", "müller.example", "api.example.com", &too_long] {
            assert_eq!(refused(|config| config.hosts.push(bad.to_owned())), Some("hosts"), "{bad}");
        }
        assert_eq!(refused(|config| config.hosts.clear()), Some("hosts"));
        let many = |count: usize| (0..count).map(|number| format!("h{number}.example")).collect();
        assert_eq!(refused(|config| config.hosts = many(100)), None);
        assert_eq!(refused(|config| config.hosts = many(101)), Some("hosts"));
    }
}
