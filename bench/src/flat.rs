//! Whether a request costs the same however many there are to tell apart: one merchant and a thousand, one product and ten.
//! The gateway with everything on, the request log and its counts included, in front of a bare server.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::bars::{Figure, Unit, median};
use crate::keymint::{House, Running, Setting};
use crate::process::{Bare, cpu_ns};
use crate::wrk::{Expected, Load, Order, Requests};

/// Merchants of the many, each with an app and a key of its own.
const MERCHANTS: usize = 1_000;
/// Products of the many.
const PRODUCTS: usize = 10;
/// What the many may cost.
const BAR: f64 = 1.3;
/// Connections that are kept alive during a load.
const CONNECTIONS: usize = 64;

/// Requests that differ by product, key and secret.
struct Crowd<'a> {
    folder: &'a Path,
    records: String,
    widths: Option<[usize; 3]>,
}

impl Crowd<'_> {
    /// One more key, of a fresh merchant.
    fn add(&mut self, keymint: &Running, product: &str) -> Result<()> {
        let key = keymint.client()?.key(product)?;
        let fields = [product, &key.key_id, &key.secret];
        let widths = fields.map(str::len);
        ensure!(*self.widths.get_or_insert(widths) == widths, "keys of different lengths");
        self.records.push_str(&fields.concat());
        Ok(())
    }

    fn requests(&self, name: &str) -> Result<Requests> {
        let path = self.folder.join(format!("{name}.records"));
        std::fs::write(&path, &self.records)?;
        let template = crate::verify::key_pair_template("%2%", "%3%").replace("/kpay/", "/%1%/");
        Ok(Requests::alike(self.folder, name, &template)?.varied(
            &path,
            &self.widths.unwrap_or_default(),
            Order::Random,
        ))
    }
}

fn product(number: usize) -> String {
    format!("kpay{number:02}")
}

/// Measures both.
pub fn measure(folder: &Path, upstream: &Bare, (rounds, seconds): (usize, u64)) -> Result<Vec<Figure>> {
    let home = folder.join("flat");
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    let setting =
        Setting { upstream: Some(upstream.address), request_log: true, kpay_copies: PRODUCTS, ..Setting::default() };
    let keymint = House::set_up(&home, setting)?.start()?;
    let crowd = |keys: usize, products: usize, name: &str| -> Result<Requests> {
        let mut crowd = Crowd { folder: &home, records: String::new(), widths: None };
        for number in 0..keys {
            crowd.add(&keymint, &product(number % products))?;
        }
        crowd.requests(name)
    };
    let few = crowd(1, 1, "one-merchant")?;
    let many = crowd(MERCHANTS, 1, "many-merchants")?;
    let one = crowd(PRODUCTS, 1, "one-product")?;
    let ten = crowd(PRODUCTS, PRODUCTS, "ten-products")?;
    let cost = |requests: &Requests, seconds: u64| -> Result<f64> {
        let load = Load { connections: CONNECTIONS, threads: 2, seconds, wait_ms: 0, expected: Expected::Accepted };
        let before = cpu_ns(keymint.server.pid())?;
        let answered = requests.send(keymint.gateway, load)?;
        Ok(keymint.server.settled_cpu_ns()?.saturating_sub(before) as f64 / 1e3 / answered.requests)
    };
    let paired = |what: &str, [under, over]: [&Requests; 2]| -> Result<Figure> {
        cost(under, 1)?;
        cost(over, 1)?;
        let mut pairs = Vec::new();
        for round in 1..=rounds {
            let (under, over) = (cost(under, seconds)?, cost(over, seconds)?);
            println!("{what}, round {round}: {under:.1}, {over:.1}, ratio {:.3}", over / under);
            pairs.push((under, over));
        }
        let of = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
        let figure = Figure::at_most("flat", what, (of(|(under, over)| over / under), BAR), Unit::Times);
        Ok(figure.note(format!("{:.1} / {:.1} us", of(|(_, over)| *over), of(|(under, _)| *under))))
    };
    let figures = vec![
        paired("gateway, 1,000 merchants / one", [&few, &many])?,
        paired("gateway, ten products / one", [&one, &ten])?,
    ];
    let lost = keymint.counter("keymint_request_log_lost_total")?;
    ensure!(lost < 0.5, "{lost} decisions did not reach the request log");
    keymint.stop()?;
    Ok(figures)
}
