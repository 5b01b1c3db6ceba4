//! The vendor's checklists of an app: what is done is seen where Keymint can see it, and ticked by a person where it
//! cannot. Where the dialect says so, a person makes no live key while something of test mode is open.

use keymint_domain::credential::State;
use keymint_domain::dialect::OwnerKind;
use keymint_domain::dialect::go_live::{Fact, GoLive, Item};
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use keymint_store::apps::{self as rows, App as AppRow};
use keymint_store::credentials::{self, Stored};
use keymint_store::db::Conn;
use keymint_store::ticks::{self, Deliveries, Tick};
use keymint_store::webhooks::{self, EndpointState};
use serde_json::json;

use crate::App;
use crate::ops::credentials::newest_live;
use crate::ops::marks::{self, Mark};
use crate::ops::{Actor, Change, OpError, Saying, apps};
use crate::products::Product;
use crate::say;

/// What the ticks of these lists are kept under.
const LIST: &str = "go_live";
/// Test keys rest when none was used for so long. Milliseconds: a day.
const REST_MS: i64 = 86_400_000;
/// Most apps of a merchant, and most keys of each, that are looked at.
const ROWS_MAX: i64 = 1_000;

/// How an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not done.
    Open,
    /// Keymint has seen it.
    Seen,
    /// A person said so.
    Ticked(Tick),
}

/// An item, and how it stands.
#[derive(Clone, Debug)]
pub struct Line {
    /// The item; where test mode has an upstream, nothing shows what only a sandbox could.
    pub item: Item,
    /// How it stands.
    pub standing: Standing,
}

impl Line {
    /// Whether it has to be done before a live key is made, and is not.
    fn is_missing(&self) -> bool {
        self.item.mode == Mode::Test && !self.item.is_recommended && self.standing == Standing::Open
    }
}

/// The checklists of an app.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// Whether a person makes no live key while something required of test mode is open: where the dialect says so, and
    /// there never was a live key. Whoever is live may have another one in the place of one that leaked.
    pub blocks_live_keys: bool,
    /// The items; none where the vendor has no checklist.
    pub lines: Vec<Line>,
}

impl Lists {
    /// How many items keep a person from making a live key.
    pub fn missing(&self) -> usize {
        if self.blocks_live_keys { self.lines.iter().filter(|line| line.is_missing()).count() } else { 0 }
    }
}

fn rules<'a>(app: &'a App, product: &str) -> Option<(&'a Product, &'a GoLive)> {
    let product = app.products.find(product)?;
    Some((&**product, product.dialect.go_live.as_ref()?))
}

/// What shows that an item is done. A sandbox's states are seen where test mode has one: behind an upstream nothing of it is
/// kept here, and a person says so. Events come either way: the operator's services publish them, people send test events.
fn shown_by<'a>(product: &Product, item: &'a Item) -> Option<&'a Fact> {
    let is_seen = |fact: &&Fact| product.upstream_test.is_none() || !matches!(fact, Fact::Reached { .. });
    item.seen_by.as_ref().filter(is_seen)
}

/// The checklists of an app.
///
/// # Errors
/// `NotFound` when there is no such app for the actor.
pub async fn of_app(app: &App, actor: Actor, id: AppId) -> Result<Lists, OpError> {
    let row = apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    read(app, &mut conn, &row).await
}

/// Goes on where no item keeps this actor from making a key of this mode for an app. It holds for people at the console:
/// scripts keep to the contract of the management API.
///
/// # Errors
/// `Conflict` with `go_live_incomplete`.
pub async fn require(app: &App, actor: Actor, row: &AppRow, mode: Mode) -> Result<(), OpError> {
    let is_person = matches!(actor, Actor::Member(..));
    let blocks = rules(app, &row.product).is_some_and(|(_, rules)| rules.blocks_live_keys);
    if !is_person || mode == Mode::Test || !blocks {
        return Ok(());
    }
    let mut conn = app.db.read().await?;
    let missing = read(app, &mut conn, row).await?.missing();
    if missing == 0 {
        return Ok(());
    }
    let message = say!("refusal-go-live", count = missing);
    Err(OpError::Conflict { code: "go_live_incomplete", message })
}

/// Says of an item that Keymint cannot see that it is done, or that it is not.
///
/// # Errors
/// `NotFound` where there is no such app or item; `Forbidden`; `Conflict` with `item_is_seen` for one that Keymint sees by
/// itself.
pub async fn tick(app: &App, actor: Actor, id: AppId, name: &str, mark: Mark) -> Result<Lists, OpError> {
    let row = apps::find(app, actor, id).await?;
    let found = rules(app, &row.product).and_then(|(product, rules)| Some((product, rules.find(name)?)));
    let (product, item) = found.ok_or(OpError::NotFound("item"))?;
    if shown_by(product, item).is_some() {
        return Err(OpError::Conflict { code: "item_is_seen", message: say!("refusal-item-is-seen").to_owned() });
    }
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    marks::set(app, &mut change, actor, (id, LIST, name), mark).await?;
    let action = match mark {
        Mark::Done => "app.go_live_ticked",
        Mark::Open => "app.go_live_unticked",
    };
    let (subject, detail) = (id.to_string(), json!({ "item": name }));
    let saying = Saying { action, subject: &subject, merchant: Some(row.merchant_id), detail };
    change.commit(saying, Vec::new()).await?;
    of_app(app, actor, id).await
}

async fn read(app: &App, conn: &mut Conn, row: &AppRow) -> Result<Lists, OpError> {
    let Some((product, rules)) = rules(app, &row.product) else { return Ok(Lists::default()) };
    let ticked = ticks::list(conn, row.id, LIST).await?;
    let seen = Seen::of(app, conn, (row, product)).await?;
    let mut lines = Vec::with_capacity(rules.items.len());
    for item in &rules.items {
        let item = Item { seen_by: shown_by(product, item).cloned(), ..item.clone() };
        let standing = match &item.seen_by {
            Some(fact) if seen.shows(conn, fact).await? => Standing::Seen,
            Some(_) => Standing::Open,
            None => match ticked.iter().find(|tick| *tick.item == *item.name) {
                Some(tick) => Standing::Ticked(tick.clone()),
                None => Standing::Open,
            },
        };
        lines.push(Line { item, standing });
    }
    let was_live = newest_live(conn, product, row).await?.is_some();
    Ok(Lists { blocks_live_keys: rules.blocks_live_keys && !was_live, lines })
}

/// What an endpoint shows.
struct Hook {
    mode: Mode,
    is_https: bool,
    deliveries: Deliveries,
}

/// What there is to be seen of an integration: of the app, or of all apps that share its keys.
struct Seen {
    merchant: MerchantId,
    apps: Vec<AppId>,
    keys: Vec<Stored>,
    hooks: Vec<Hook>,
    now: UnixMs,
}

impl Seen {
    async fn of(app: &App, conn: &mut Conn, (row, product): (&AppRow, &Product)) -> Result<Self, OpError> {
        let apps = match product.dialect.owner {
            OwnerKind::App => vec![row.id],
            OwnerKind::Merchant => {
                let all = rows::list(conn, row.merchant_id, "", ROWS_MAX).await?;
                all.into_iter().filter(|other| other.product == row.product).map(|other| other.id).collect()
            }
        };
        let mut seen =
            Self { merchant: row.merchant_id, apps, keys: Vec::new(), hooks: Vec::new(), now: app.clock.now() };
        for id in &seen.apps {
            seen.keys.extend(credentials::list(conn, *id, "", ROWS_MAX).await?);
            for mode in [Mode::Test, Mode::Live] {
                for endpoint in webhooks::of_app(conn, *id, mode).await? {
                    let is_https = endpoint.url.starts_with("https://") && endpoint.state == EndpointState::Enabled;
                    let deliveries = ticks::deliveries(conn, endpoint.id).await?;
                    seen.hooks.push(Hook { mode, is_https, deliveries });
                }
            }
        }
        Ok(seen)
    }

    async fn shows(&self, conn: &mut Conn, fact: &Fact) -> Result<bool, OpError> {
        let of = |mode: Mode| self.keys.iter().filter(move |key| key.credential.mode == mode);
        let is_used = |key: &Stored| key.seen.last_used_at.is_some();
        let hook = |mode: Mode, is: fn(&Hook) -> bool| self.hooks.iter().any(|hook| hook.mode == mode && is(hook));
        Ok(match fact {
            Fact::Key(mode) => of(*mode).next().is_some(),
            Fact::Call(mode) => of(*mode).any(is_used),
            Fact::Reached { kind, status } => {
                let mut is_reached = false;
                for id in &self.apps {
                    is_reached = is_reached || ticks::reached(conn, (self.merchant, *id), kind, status).await?;
                }
                is_reached
            }
            Fact::HttpsEndpoint(mode) => hook(*mode, |hook| hook.is_https),
            Fact::Delivered(mode) => hook(*mode, |hook| hook.deliveries.taken > 0),
            Fact::Retried(mode) => hook(*mode, |hook| hook.deliveries.retried > 0),
            Fact::Resent(mode) => hook(*mode, |hook| hook.deliveries.resent > 0),
            Fact::Addresses => of(Mode::Live).any(|key| {
                let is_working = matches!(key.credential.state(self.now), State::Active | State::Retiring);
                is_working && !key.credential.restrictions.allowed_ips.is_empty()
            }),
            Fact::TestKeysRest => {
                let rests = |key: &Stored| key.seen.last_used_at.is_none_or(|at| self.now.0 - at.0 >= REST_MS);
                of(Mode::Live).any(is_used) && of(Mode::Test).all(rests)
            }
        })
    }
}
