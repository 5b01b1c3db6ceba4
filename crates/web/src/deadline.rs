//! The time that a request's head and body may take, kept without entering the runtime's timer for each request: most
//! requests arrive whole, and to enter a timer and leave it again costs more than to read one.
//!
//! A deadline is a note here, made when a connection begins to wait and taken back when what it waited for is there. One
//! timer of the runtime for each connection comes due now and then and looks at the note: it sets itself to the noted
//! deadline, or, where that has come, lets the wait end. hyper waits for heads and the services for bodies, never both.
//!
//! hyper knows one time for a head, whether it has begun or not. A connection that had a request and is kept alive may say
//! nothing for longer than that: a proxy in front of us keeps its connections for a minute, and would send the next payment
//! on one that we have just closed.
//!
//! The same timer looks whether the other side takes what it is sent. Bytes that wait to be taken are no deadline of anybody's:
//! a client that reads nothing would hold its connection, and what is behind it, for ever (T71).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;

/// Noted when nothing is waited for.
const NONE: u64 = u64::MAX;
/// A client that is sent something takes at least so much between two looks; bytes.
const TAKEN_MIN: u64 = 4 * 1024;
/// So many looks in a row at which it took less, and it is given up. A client whose own system has megabytes waiting for it
/// says nothing until a sixteenth of them is read.
const SLOW_LOOKS_MAX: u32 = 6;
/// How long a connection is kept beyond a head's deadline while nothing of its next request has come. With the five seconds
/// of a head that is more than the minute for which load balancers and nginx keep theirs.
const IDLE_GRACE: Duration = Duration::from_secs(70);

/// What waits and the watch of one connection tell each other. Atomic because hyper's timers are shared between threads
/// in general; here both sides live on one.
struct Note {
    /// Deadlines are counted from here.
    base: Instant,
    /// The deadline of what is waited for. Microseconds after `base`.
    deadline_us: AtomicU64,
    is_due: AtomicBool,
    /// Whether it is a head that is waited for.
    is_head: AtomicBool,
    /// Whether it is not the first, and nothing of it has come.
    is_idle: AtomicBool,
    /// Whether a head was waited for already.
    had_head: AtomicBool,
    /// Bytes that the other side took so far.
    taken: AtomicU64,
    /// Whether more wait for it.
    waits_to_write: AtomicBool,
}

impl Note {
    fn deadline(&self) -> Option<Instant> {
        match self.deadline_us.load(Ordering::Relaxed) {
            NONE => None,
            after => self.base.checked_add(Duration::from_micros(after)),
        }
    }

    fn is_idle(&self) -> bool {
        self.is_head.load(Ordering::Relaxed) && self.is_idle.load(Ordering::Relaxed)
    }
}

/// Where the deadlines of one connection are noted; hyper's timer of that connection.
#[derive(Clone)]
pub struct Deadlines(Arc<Note>);

/// A wait with a deadline. As a future, it ends when the deadline has come.
pub struct Wait(Arc<Note>);

/// Where a connection's stream says that something came, and what became of what it was given to write.
#[derive(Clone)]
pub struct Flow(Arc<Note>);

impl Flow {
    /// Something came.
    pub fn came(&self) {
        self.0.is_idle.store(false, Ordering::Relaxed);
    }

    /// So many bytes were taken. Only the connection's own thread counts.
    pub fn took(&self, bytes: usize) {
        let before = self.0.taken.load(Ordering::Relaxed);
        self.0.taken.store(before.wrapping_add(u64::try_from(bytes).unwrap_or(0)), Ordering::Relaxed);
        self.0.waits_to_write.store(false, Ordering::Relaxed);
    }

    /// Nothing more was taken for now.
    pub fn waits(&self) {
        self.0.waits_to_write.store(true, Ordering::Relaxed);
    }
}

/// The timer behind the notes, for the task that drives the connection.
pub struct Watch {
    note: Arc<Note>,
    sleep: Pin<Box<tokio::time::Sleep>>,
    pause: Duration,
    is_set: bool,
    taken_before: u64,
    slow_looks: u32,
    was_idle: bool,
}

/// Both sides for a fresh connection, which waits for its first head. `pause` is the shortest time that anything may take.
pub fn deadlines(pause: Duration) -> (Deadlines, Watch) {
    let sleep = Box::pin(tokio::time::sleep(pause));
    let base = sleep.deadline().into_std();
    let note = Arc::new(Note {
        base,
        deadline_us: AtomicU64::new(u64::try_from(pause.as_micros()).unwrap_or(NONE - 1)),
        is_due: AtomicBool::new(false),
        is_head: AtomicBool::new(true),
        is_idle: AtomicBool::new(false),
        had_head: AtomicBool::new(false),
        taken: AtomicU64::new(0),
        waits_to_write: AtomicBool::new(false),
    });
    let watch =
        Watch { note: Arc::clone(&note), sleep, pause, is_set: false, taken_before: 0, slow_looks: 0, was_idle: false };
    (Deadlines(note), watch)
}

impl Deadlines {
    /// Where the connection's stream says what came and what was taken.
    pub fn flow(&self) -> Flow {
        Flow(Arc::clone(&self.0))
    }

    /// Begins a wait that may last so long. At least the watch's pause.
    pub fn wait(&self, duration: Duration) -> Wait {
        self.0.is_head.store(false, Ordering::Relaxed);
        self.wait_until(self.now() + duration)
    }

    /// Until when a head is waited for; nothing while a request is under way.
    pub fn head_deadline(&self) -> Option<Instant> {
        self.0.deadline().filter(|_| self.0.is_head.load(Ordering::Relaxed))
    }

    /// Begins the wait for a head.
    fn head_until(&self, deadline: Instant) -> Wait {
        self.0.is_head.store(true, Ordering::Relaxed);
        let is_later = self.0.had_head.swap(true, Ordering::Relaxed);
        self.0.is_idle.store(is_later, Ordering::Relaxed);
        self.wait_until(deadline)
    }

    fn wait_until(&self, deadline: Instant) -> Wait {
        let after = deadline.saturating_duration_since(self.0.base).as_micros();
        self.0.is_due.store(false, Ordering::Relaxed);
        self.0.deadline_us.store(u64::try_from(after).unwrap_or(NONE - 1), Ordering::Relaxed);
        Wait(Arc::clone(&self.0))
    }
}

impl Timer for Deadlines {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.head_until(deadline))
    }
}

impl Wait {
    /// Whether the deadline has come. To be asked whenever the connection's task runs and the wait has not ended.
    pub fn is_over(&self) -> bool {
        self.0.is_due.load(Ordering::Relaxed)
    }
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.deadline_us.store(NONE, Ordering::Relaxed);
    }
}

impl Watch {
    /// Looks whether the deadline has come. The connection is to be polled after this: it finds the wait over then. Ready once
    /// the other side does not take what it is sent: the connection is to be closed, then.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_set && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            if self.is_given_up() {
                return Poll::Ready(());
            }
            let now = self.sleep.deadline();
            let has_passed = |deadline: &Instant| *deadline <= now.into_std();
            let next = match self.note.deadline() {
                Some(deadline) if has_passed(&deadline) => {
                    if !self.may_wait_on(deadline, now.into_std()) {
                        self.note.is_due.store(true, Ordering::Relaxed);
                    }
                    now + self.pause
                }
                other => {
                    self.was_idle = false;
                    other.map_or(now + self.pause, Into::into)
                }
            };
            self.sleep.as_mut().reset(next);
        }
        self.is_set = true;
        Poll::Pending
    }

    /// Whether a deadline that has passed is not the end: of a connection that is idle, or whose head has begun to come since
    /// it was seen to be.
    fn may_wait_on(&mut self, deadline: Instant, now: Instant) -> bool {
        if !self.note.is_idle() {
            return std::mem::take(&mut self.was_idle);
        }
        self.was_idle = true;
        now < deadline + IDLE_GRACE
    }

    /// Whether the other side took too little for too long.
    fn is_given_up(&mut self) -> bool {
        let taken = self.note.taken.load(Ordering::Relaxed);
        let is_slow = taken.wrapping_sub(self.taken_before) < TAKEN_MIN;
        self.taken_before = taken;
        let waits = self.note.waits_to_write.load(Ordering::Relaxed);
        self.slow_looks = if waits && is_slow { self.slow_looks + 1 } else { 0 };
        self.slow_looks >= SLOW_LOOKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);
    const SECOND: Duration = Duration::from_secs(1);

    /// Advances the clock and lets the watch look.
    async fn pass(watch: &mut Watch, duration: Duration) {
        tokio::time::advance(duration).await;
        let _ = watch.poll(&mut Context::from_waker(std::task::Waker::noop()));
    }

    /// Advances the clock by the pause; whether the connection is given up.
    async fn look(watch: &mut Watch) -> bool {
        tokio::time::advance(PAUSE + Duration::from_millis(2)).await;
        watch.poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up_at_the_sixth_look_and_who_takes_enough_never() {
        let (deadlines, mut watch) = deadlines(PAUSE);
        let flow = deadlines.flow();
        assert!(!look(&mut watch).await, "nothing was sent");
        for taken in [0, 1, usize::try_from(TAKEN_MIN).expect("small") - 1] {
            flow.took(usize::try_from(TAKEN_MIN).expect("small"));
            flow.waits();
            let mut given_up = Vec::new();
            for _ in 0..7 {
                given_up.push(look(&mut watch).await);
                flow.took(taken);
                flow.waits();
            }
            assert_eq!(given_up, [false, false, false, false, false, false, true], "{taken} bytes between two looks");
            flow.took(usize::try_from(TAKEN_MIN).expect("small"));
            assert!(!look(&mut watch).await, "it begins anew");
        }
        for _ in 0..10 {
            flow.took(usize::try_from(TAKEN_MIN).expect("small"));
            flow.waits();
            assert!(!look(&mut watch).await, "slow, and not too slow");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the clock that these tests move by hand")]
    fn wait(deadlines: &Deadlines, duration: Duration) -> Wait {
        deadlines.wait_until(tokio::time::Instant::now().into_std() + duration)
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_over() {
        let (deadlines, mut watch) = deadlines(PAUSE);
        let wait = wait(&deadlines, PAUSE);
        pass(&mut watch, 4 * SECOND).await;
        assert!(!wait.is_over());
        pass(&mut watch, SECOND + Duration::from_millis(2)).await;
        assert!(wait.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_whole_time() {
        let (deadlines, mut watch) = deadlines(PAUSE);
        for _ in 0..4 {
            let wait = wait(&deadlines, PAUSE);
            pass(&mut watch, 3 * SECOND).await;
            assert!(!wait.is_over());
        }
        let last = wait(&deadlines, 2 * PAUSE);
        for _ in 0..9 {
            pass(&mut watch, SECOND).await;
            assert!(!last.is_over());
        }
        pass(&mut watch, Duration::from_millis(990)).await;
        assert!(!last.is_over());
        pass(&mut watch, Duration::from_millis(12)).await;
        assert!(last.is_over());
    }

    #[expect(clippy::disallowed_methods, reason = "the clock that these tests move by hand")]
    fn head(deadlines: &Deadlines) -> Wait {
        deadlines.head_until(tokio::time::Instant::now().into_std() + PAUSE)
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_has_its_time_and_a_connection_that_is_kept_alive_seventy_seconds_more() {
        let (deadlines, mut watch) = deadlines(PAUSE);
        let first = head(&deadlines);
        pass(&mut watch, PAUSE + Duration::from_millis(2)).await;
        assert!(first.is_over(), "nothing came at all");
        drop(first);
        let next = head(&deadlines);
        for _ in 0..74 {
            pass(&mut watch, SECOND).await;
            assert!(!next.is_over(), "it is idle");
        }
        pass(&mut watch, PAUSE + SECOND).await;
        assert!(next.is_over(), "it was idle for too long");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_begins_late_has_its_time_and_no_more() {
        for idle_seconds in [0, 1, 4, 6, 23, 60] {
            let (deadlines, mut watch) = deadlines(PAUSE);
            drop(head(&deadlines));
            let next = head(&deadlines);
            for _ in 0..idle_seconds {
                pass(&mut watch, SECOND).await;
            }
            deadlines.flow().came();
            for _ in 0..(if idle_seconds > 5 { 5 } else { 5 - idle_seconds }) {
                assert!(!next.is_over(), "idle for {idle_seconds} s, then a head");
                pass(&mut watch, Duration::from_millis(990)).await;
            }
            for _ in 0..6 {
                pass(&mut watch, SECOND).await;
            }
            assert!(next.is_over(), "idle for {idle_seconds} s, then a slow head");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_over_while_nothing_waits() {
        let (deadlines, mut watch) = deadlines(PAUSE);
        drop(wait(&deadlines, PAUSE));
        pass(&mut watch, 60 * SECOND).await;
        let wait = wait(&deadlines, PAUSE);
        pass(&mut watch, 4 * SECOND).await;
        assert!(!wait.is_over());
        pass(&mut watch, 2 * SECOND).await;
        assert!(wait.is_over());
    }
}
