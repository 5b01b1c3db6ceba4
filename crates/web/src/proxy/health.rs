//! Whether the addresses of upstreams are well: asked at intervals, for all threads, on the ordinary runtime. Where an
//! upstream has no path to ask, only an address that could not be reached is looked at: whether it can be now.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use keymint_app::upstream::{Address, Upstream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::pool;

/// How long an answer to such a question may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
/// So many bad answers in a row, and an address is not well: one alone may be an accident.
const BAD_ANSWERS_MAX: u32 = 2;

/// Watches over the addresses until it is told to stop.
pub async fn watch(upstreams: Vec<Arc<Upstream>>, mut stop: watch::Receiver<bool>) {
    let mut watching = JoinSet::new();
    for upstream in upstreams {
        for index in 0..upstream.addresses.len() {
            watching.spawn(watch_address(Arc::clone(&upstream), index));
        }
    }
    let _ = stop.changed().await;
}

async fn watch_address(upstream: Arc<Upstream>, index: usize) {
    let Some(address) = upstream.addresses.get(index) else { return };
    let mut interval = tokio::time::interval(Duration::from_millis(upstream.config.health_interval_ms));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut bad_answers = 0;
    loop {
        interval.tick().await;
        if upstream.config.health_path.is_none() && address.is_well() {
            continue;
        }
        bad_answers = if is_well(&upstream, address).await { 0 } else { bad_answers + 1 };
        let is_well = bad_answers == 0 || (bad_answers < BAD_ANSWERS_MAX && address.is_well());
        if address.note(is_well) {
            if is_well {
                tracing::info!(address = %address.authority, "an upstream address is well again");
            } else {
                tracing::warn!(address = %address.authority, "an upstream address is not well");
            }
        }
    }
}

async fn is_well(upstream: &Upstream, address: &Address) -> bool {
    let Ok(Ok(stream)) = tokio::time::timeout(upstream.connect_timeout(), pool::connect(address)).await else {
        return false;
    };
    let Some(path) = &upstream.config.health_path else { return true };
    let asking = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driving = tokio::spawn(connection);
        let request = http::Request::get(path)
            .header(http::header::HOST, upstream.host.as_deref().unwrap_or(&address.authority))
            .header(http::header::USER_AGENT, "keymint-health")
            .header(http::header::CONNECTION, "close")
            .body(Empty::<Bytes>::new());
        let answered = match request {
            Ok(request) => sender.send_request(request).await.map(|response| response.status().is_success()),
            Err(_) => Ok(false),
        };
        driving.abort();
        answered
    };
    matches!(tokio::time::timeout(ANSWER_DEADLINE, asking).await, Ok(Ok(true)))
}
