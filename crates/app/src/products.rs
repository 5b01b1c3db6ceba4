//! The operator's products: a name, a dialect, hosts, what stands behind. Read once at start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use keymint_domain::dialect::parse::DialectError;
use keymint_domain::dialect::{BUILT_IN, Dialect, SecretStyle};
use keymint_domain::limit::Limit;
use keymint_domain::mode::Mode;
use thiserror::Error;

use crate::config::ProductConfig;
use crate::upstream::{Upstream, UpstreamConfig};

/// A product.
#[derive(Debug)]
pub struct Product {
    /// Its name: the first segment of its path on the gateway.
    pub name: Arc<str>,
    /// How its API looks.
    pub dialect: Arc<Dialect>,
    /// How its secrets are written.
    pub secret_style: Option<String>,
    /// The simulated API behind test credentials.
    pub sandbox: Box<str>,
    /// The service behind test credentials, in place of the sandbox.
    pub upstream_test: Option<Arc<Upstream>>,
    /// The service behind live credentials.
    pub upstream_live: Option<Arc<Upstream>>,
    /// How many requests may come in a while: the dialect's rules, and the operator's in the place of those of their name.
    pub limits: Vec<Limit>,
    /// The number of the first of them among those of all products.
    pub first_rule: u32,
}

impl Product {
    /// The number of one of its rules among those of all products.
    pub fn number_of(&self, rule: usize) -> u32 {
        self.first_rule.saturating_add(u32::try_from(rule).unwrap_or(u32::MAX))
    }

    /// The secret style that new credentials get.
    pub fn style(&self) -> &SecretStyle {
        let chosen = self.dialect.secret_style(self.secret_style.as_deref());
        chosen.or_else(|| self.dialect.secrets.first()).expect("a dialect has at least one style")
    }

    /// The service behind credentials of a mode.
    pub fn upstream(&self, mode: Mode) -> Option<&Arc<Upstream>> {
        match mode {
            Mode::Test => self.upstream_test.as_ref(),
            Mode::Live => self.upstream_live.as_ref(),
        }
    }
}

/// All products, by name and by host. They are few, and a request asks for both: comparing is quicker than hashing.
#[derive(Debug)]
pub struct Products {
    by_name: BTreeMap<Arc<str>, Arc<Product>>,
    by_host: BTreeMap<Box<str>, (Arc<Product>, Mode)>,
    dialects: Vec<Arc<Dialect>>,
    upstreams: Vec<Arc<Upstream>>,
}

/// Why the products cannot be set up.
#[derive(Debug, Error)]
pub enum ProductsError {
    /// A dialect file is wrong.
    #[error("the dialect file {file} is not usable: {error}")]
    Dialect {
        /// The file.
        file: String,
        /// The line, field and problem.
        error: DialectError,
    },
    /// A dialect file cannot be read.
    #[error("{file} cannot be read: {cause}")]
    Unreadable {
        /// The file or folder.
        file: String,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Two dialects of one name.
    #[error("two dialects are named `{0}`; rename one of them")]
    DialectTwice(Box<str>),
    /// A product names a dialect that is not there.
    #[error("the product `{product}` names the dialect `{dialect}`; known are {known}")]
    UnknownDialect {
        /// The product.
        product: String,
        /// The dialect.
        dialect: String,
        /// Those that are there.
        known: String,
    },
    /// A product names a secret style that its dialect does not have.
    #[error("the product `{product}` names the secret style `{style}`, which its dialect does not have")]
    UnknownStyle {
        /// The product.
        product: String,
        /// The style.
        style: String,
    },
    /// Two products of one name, or one host for two.
    #[error("`{0}` stands for two products; each name and host may stand once")]
    Twice(String),
    /// A rate is none.
    #[error("the product `{product}`: {problem}")]
    Limit {
        /// The product.
        product: String,
        /// What is wrong.
        problem: String,
    },
    /// A product's name cannot be a path segment.
    #[error("`{0}` is no name for a product: 1 to 32 lower-case letters, digits and `-`")]
    Name(String),
}

/// The dialect's rules, and the operator's in the place of those of their name.
fn limits(config: &ProductConfig, dialect: &Dialect) -> Result<Vec<Limit>, ProductsError> {
    let mut limits = dialect.limits.clone();
    for raw in &config.limit {
        let wrong = |problem| ProductsError::Limit { product: config.name.clone(), problem };
        let limit = raw.checked().map_err(wrong)?;
        match limits.iter_mut().find(|other| other.name == limit.name) {
            Some(other) => *other = limit,
            None => limits.push(limit),
        }
    }
    Ok(limits)
}

/// Reads the built-in dialects and those in a folder.
///
/// # Errors
/// `ProductsError` names the file, line and field.
pub fn load_dialects(folder: Option<&Path>) -> Result<Vec<Arc<Dialect>>, ProductsError> {
    let mut texts: Vec<(String, String)> =
        BUILT_IN.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    if let Some(folder) = folder {
        let unreadable = |file: &Path, cause| ProductsError::Unreadable { file: file.display().to_string(), cause };
        let entries = std::fs::read_dir(folder).map_err(|cause| unreadable(folder, cause))?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(|cause| unreadable(folder, cause)))
            .collect::<Result<Vec<_>, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(|cause| unreadable(&path, cause))?;
            texts.push((path.display().to_string(), text));
        }
    }
    let mut dialects: Vec<Arc<Dialect>> = Vec::new();
    for (file, text) in texts {
        let dialect = Dialect::parse(&text).map_err(|error| ProductsError::Dialect { file, error })?;
        if dialects.iter().any(|other| other.name == dialect.name) {
            return Err(ProductsError::DialectTwice(dialect.name));
        }
        dialects.push(Arc::new(dialect));
    }
    Ok(dialects)
}

impl Products {
    /// Sets up the operator's products over the dialects.
    ///
    /// # Errors
    /// `ProductsError` names the product that is wrong.
    pub fn new(dialects: Vec<Arc<Dialect>>, configs: &[ProductConfig]) -> Result<Self, ProductsError> {
        let mut products = Self { by_name: BTreeMap::new(), by_host: BTreeMap::new(), dialects, upstreams: Vec::new() };
        for config in configs {
            products.add(config)?;
        }
        Ok(products)
    }

    fn add(&mut self, config: &ProductConfig) -> Result<(), ProductsError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if config.name.is_empty() || config.name.len() > 32 || !config.name.bytes().all(plain) {
            return Err(ProductsError::Name(config.name.clone()));
        }
        let found = self.dialects.iter().find(|dialect| *dialect.name == *config.dialect);
        let dialect = found.cloned().ok_or_else(|| ProductsError::UnknownDialect {
            product: config.name.clone(),
            dialect: config.dialect.clone(),
            known: self.dialects.iter().map(|dialect| &*dialect.name).collect::<Vec<_>>().join(", "),
        })?;
        if dialect.secret_style(config.secret_style.as_deref()).is_none() {
            let style = config.secret_style.clone().unwrap_or_default();
            return Err(ProductsError::UnknownStyle { product: config.name.clone(), style });
        }
        let limits = limits(config, &dialect)?;
        let first_rule = self.by_name.values().map(|other| other.limits.len()).sum::<usize>();
        let product = Arc::new(Product {
            limits,
            first_rule: u32::try_from(first_rule).unwrap_or(u32::MAX),
            name: config.name.as_str().into(),
            sandbox: config.sandbox.as_deref().unwrap_or(&dialect.sandbox).into(),
            dialect,
            secret_style: config.secret_style.clone(),
            upstream_test: self.add_upstream((&config.name, Mode::Test), config.upstream_test.as_ref()),
            upstream_live: self.add_upstream((&config.name, Mode::Live), config.upstream_live.as_ref()),
        });
        for (mode, hosts) in [(Mode::Test, &config.hosts_test), (Mode::Live, &config.hosts_live)] {
            for host in hosts {
                let host = host.to_ascii_lowercase();
                if self.by_host.insert(host.clone().into(), (Arc::clone(&product), mode)).is_some() {
                    return Err(ProductsError::Twice(host));
                }
            }
        }
        match self.by_name.insert(Arc::clone(&product.name), product) {
            Some(other) => Err(ProductsError::Twice(other.name.to_string())),
            None => Ok(()),
        }
    }

    fn add_upstream(&mut self, whose: (&str, Mode), config: Option<&UpstreamConfig>) -> Option<Arc<Upstream>> {
        let upstream = Arc::new(Upstream::new(whose, config?, self.upstreams.len()));
        self.upstreams.push(Arc::clone(&upstream));
        Some(upstream)
    }

    /// The product of that name.
    pub fn find(&self, name: &str) -> Option<&Arc<Product>> {
        self.by_name.get(name)
    }

    /// The product and mode of a host name without its port.
    pub fn find_host(&self, authority: &str) -> Option<&(Arc<Product>, Mode)> {
        if self.by_host.is_empty() {
            return None;
        }
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.by_host.get(&*host.to_ascii_lowercase());
        }
        self.by_host.get(host)
    }

    /// A host name at which a product takes the credentials of a mode without its path.
    pub fn host_of(&self, name: &str, mode: Mode) -> Option<&str> {
        let is_wanted = |(product, found): &&(Arc<Product>, Mode)| *product.name == *name && *found == mode;
        self.by_host.iter().find(|(_, place)| is_wanted(place)).map(|(host, _)| &**host)
    }

    /// All products, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Product>> + Clone {
        self.by_name.values()
    }

    /// All upstreams, each at its index.
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// All dialects that were read.
    pub fn dialects(&self) -> &[Arc<Dialect>] {
        &self.dialects
    }
}

#[cfg(test)]
mod tests {
    use super::{Products, load_dialects};
    use crate::config::ProductConfig;

    fn products(limits: &str) -> Result<Products, String> {
        let config: ProductConfig = toml::from_str(&format!("name = \"pay\"\ndialect = \"kpay\"\n{limits}"))
            .map_err(|error| error.to_string())?;
        Products::new(load_dialects(None).expect("the built-in ones"), &[config]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rate_of_the_operator_takes_the_place_of_the_dialects_of_its_name_and_another_stands_beside() {
        let rule = |name: &str, requests: u32| {
            format!("[[limit]]\nname = \"{name}\"\nper = \"merchant\"\nrequests = {requests}\nwindow_seconds = 10\n")
        };
        let found = |text: &str| {
            let products = products(text).expect("they are right");
            let limits = &products.find("pay").expect("it is there").limits;
            limits.iter().map(|limit| (limit.name.to_string(), limit.requests)).collect::<Vec<_>>()
        };
        let named = |name: &str, requests: u32| (name.to_owned(), requests);
        let (init, poll) = (named("gateway-init", 20), named("gateway-poll", 60));
        assert_eq!(found(""), [named("default", 100), init.clone(), poll.clone()]);
        assert_eq!(found(&rule("default", 7)), [named("default", 7), init.clone(), poll.clone()]);
        assert_eq!(found(&rule("mine", 7)), [named("default", 100), init, poll, named("mine", 7)]);
        let problem = products(&rule("mine", 0)).expect_err("none");
        assert!(problem.contains("`pay`") && problem.contains("limit.requests"), "{problem}");
    }
}
