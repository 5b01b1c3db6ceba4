//! `keymint request`: a curl that authenticates in a product's dialect.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use keymint_app::client::{Call, Reply, send};
use keymint_app::clock::SystemClock;
use keymint_app::entropy::SystemEntropy;
use keymint_app::products::load_dialects;
use keymint_domain::dialect::Dialect;
use keymint_domain::entropy::draw_text;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::scheme::present::{Holder, Presented, present, present_with};
use keymint_domain::time::Clock;
use serde_json::Value;

/// Examples for `--help`.
pub const EXAMPLES: &str = "\
The key id and the secret come from KEYMINT_KEY_ID and KEYMINT_KEY_SECRET, so that they are in no history.

Examples:
  keymint request --product razorpay POST /v1/orders --data '{\"amount\":50000,\"currency\":\"INR\"}'
  keymint request --product kwikpaisa POST /api/v3/pg/order/status --data '{\"order_id\":\"1\"}'
  keymint request --product kpay GET /api/v1/payments/me
  keymint request --product kspay --app app_01j… GET /currencies
  keymint request --product keymint --scheme message_signature GET /v1/whoami --dry-run";

/// What `request` takes.
#[derive(Args)]
pub struct RequestArguments {
    /// The product: its name on the gateway, and its dialect unless --dialect says another
    #[arg(long)]
    product: String,
    /// The dialect
    #[arg(long)]
    dialect: Option<String>,
    /// One scheme of the dialect: basic, key_pair, signed, bearer, token_exchange, message_signature
    #[arg(long)]
    scheme: Option<String>,
    /// The gateway
    #[arg(long, env = "KEYMINT_GATEWAY", default_value = "http://127.0.0.1:8081")]
    gateway: String,
    /// The app, where the dialect's address names it
    #[arg(long, env = "KEYMINT_APP")]
    app: Option<String>,
    /// The key id; KEYMINT_KEY_ID says it too
    #[arg(long, env = "KEYMINT_KEY_ID")]
    key_id: Option<String>,
    /// The method
    method: String,
    /// Path and query inside the product
    path: String,
    /// The body; `@file` reads a file
    #[arg(long)]
    data: Option<String>,
    /// A further header, `Name: value`; may be given several times
    #[arg(long = "header", short = 'H')]
    headers: Vec<String>,
    /// Print the signed request instead of sending it
    #[arg(long)]
    dry_run: bool,
    /// Show status and headers of the answer too
    #[arg(long, short)]
    include: bool,
    /// A folder with dialects of your own
    #[arg(long)]
    dialects: Option<PathBuf>,
}

fn body(arguments: &RequestArguments) -> Result<Vec<u8>> {
    match arguments.data.as_deref() {
        None => Ok(Vec::new()),
        Some(data) => match data.strip_prefix('@') {
            Some(file) => std::fs::read(file).with_context(|| format!("reading {file}")),
            None => Ok(data.as_bytes().to_vec()),
        },
    }
}

fn headers(arguments: &RequestArguments, authority: &str, has_body: bool) -> Result<Vec<(String, String)>> {
    let mut headers = vec![("host".to_owned(), authority.to_owned())];
    if has_body {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        headers.push(("accept".to_owned(), "application/json".to_owned()));
    }
    for header in &arguments.headers {
        let (name, value) = header.split_once(':').context("--header takes `Name: value`")?;
        let name = name.trim().to_ascii_lowercase();
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value.trim().to_owned()));
    }
    Ok(headers)
}

/// What is signed: the request with the headers so far.
struct Draft<'a> {
    method: &'a str,
    authority: &'a str,
    target: &'a str,
    route_at: usize,
    headers: &'a [(String, String)],
    body: &'a [u8],
}

fn presented(arguments: &RequestArguments, dialect: &Dialect, draft: &Draft<'_>, secret: &str) -> Result<Presented> {
    let headers: Vec<Header<'_>> =
        draft.headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let view = RequestView {
        method: draft.method,
        scheme: if arguments.gateway.starts_with("https://") { "https" } else { "http" },
        authority: draft.authority,
        target: draft.target,
        route_at: draft.route_at,
        headers: &headers,
        body: draft.body,
        client_ip: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    };
    let nonce = draw_text(&SystemEntropy::default(), b"0123456789abcdef", 32)?;
    let key_id = arguments.key_id.as_deref().context("give the key id with --key-id, or set KEYMINT_KEY_ID")?;
    let holder = Holder { key_id, secret, now: SystemClock.now(), nonce: &nonce };
    match arguments.scheme.as_deref() {
        None => Ok(present(dialect, &view, &holder)?),
        Some(name) => {
            let named = |scheme: &&keymint_domain::dialect::Scheme| scheme.name().as_str() == name;
            let scheme = dialect.schemes.iter().find(named);
            let scheme = scheme.with_context(|| {
                let names: Vec<_> = dialect.schemes.iter().map(|scheme| scheme.name().as_str()).collect();
                format!("the dialect `{}` has no scheme `{name}`; it has {}", dialect.name, names.join(", "))
            })?;
            Ok(present_with(dialect, scheme, &view, &holder)?)
        }
    }
}

/// Runs it.
///
/// # Errors
/// What is missing, or why there was no answer; an answer of 400 and above is a failure too.
pub async fn run(arguments: RequestArguments) -> Result<()> {
    let secret = std::env::var("KEYMINT_KEY_SECRET")
        .ok()
        .context("KEYMINT_KEY_SECRET is not set; it holds the secret of the key id")?;
    let wanted = arguments.dialect.as_deref().unwrap_or(&arguments.product);
    let dialects = load_dialects(arguments.dialects.as_deref())?;
    let dialect = dialects.iter().find(|dialect| *dialect.name == *wanted);
    let dialect = dialect.with_context(|| {
        let names: Vec<_> = dialects.iter().map(|dialect| &*dialect.name).collect();
        format!("there is no dialect `{wanted}`; say with --dialect which of {}", names.join(", "))
    })?;
    if !arguments.path.starts_with('/') {
        bail!("the path begins with a slash: /{}", arguments.path);
    }
    let gateway = arguments.gateway.trim_end_matches('/');
    let (_, authority) = gateway.split_once("://").context("--gateway begins with http:// or https://")?;
    let target = format!("/{}{}", arguments.product, arguments.path);
    let body = body(&arguments)?;
    let mut headers = headers(&arguments, authority, !body.is_empty())?;
    let draft = Draft {
        method: &arguments.method,
        authority,
        target: &target,
        route_at: arguments.product.len() + 1,
        headers: &headers,
        body: &body,
    };
    match presented(&arguments, dialect, &draft, &secret)? {
        Presented::Headers(added) => headers.extend(added),
        Presented::Token { exchange_route, body, headers: pair } => {
            let token = buy(&arguments, gateway, &exchange_route, body, pair).await?;
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
    }
    if arguments.dry_run {
        return print_request(&arguments.method, &target, &headers, &body);
    }
    let url = format!("{gateway}{target}");
    let reply = send(Call { method: &arguments.method, url, headers, body }).await?;
    print_reply(&reply, arguments.include)
}

/// Buys a token in the way of the dialect.
async fn buy(
    arguments: &RequestArguments,
    gateway: &str,
    exchange_route: &str,
    body: Option<String>,
    mut headers: Vec<(String, String)>,
) -> Result<String> {
    let (method, path) = exchange_route.split_once(' ').context("the dialect's exchange route is odd")?;
    let path = match (&arguments.app, path.contains("{app_id}")) {
        (Some(app), true) => path.replace("{app_id}", app),
        (None, true) => bail!("this dialect's exchange names the app; give it with --app"),
        (_, false) => path.to_owned(),
    };
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let url = format!("{gateway}/{}{path}", arguments.product);
    let body = body.unwrap_or_default().into_bytes();
    let reply = send(Call { method, url, headers, body }).await?;
    let value: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    let found = value.pointer("/result/accessToken").or_else(|| value.get("accessToken")).and_then(Value::as_str);
    match found {
        Some(token) => Ok(token.to_owned()),
        None => bail!("the exchange answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body)),
    }
}

fn print_request(method: &str, target: &str, headers: &[(String, String)], body: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{method} {target} HTTP/1.1")?;
    for (name, value) in headers {
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out)?;
    out.write_all(body)?;
    if !body.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn print_reply(reply: &Reply, include: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if include {
        writeln!(out, "HTTP/1.1 {}", reply.status)?;
        for (name, value) in &reply.headers {
            writeln!(out, "{name}: {value}")?;
        }
        writeln!(out)?;
    }
    out.write_all(&reply.body)?;
    writeln!(out)?;
    if reply.status >= 400 {
        bail!("the gateway answered {}", reply.status);
    }
    Ok(())
}
