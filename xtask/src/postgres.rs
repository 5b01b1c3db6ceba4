//! A private PostgreSQL for one run: own folder, own port, own process, gone afterwards. Durability stays on.
//!
//! The cluster's default collation is a language's, as in many a production cluster, not `C`: a list that forgot
//! `COLLATE "C"` then sorts differently from SQLite and its test fails here instead of at a customer's.
//! `setpriv` starts the server, because `initdb` and `postgres` refuse root and because the kernel then stops the
//! server when we die without having done so.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// The oldest server with language collations for whole clusters (`--locale-provider`).
const VERSION_MIN: u32 = 15;
/// A cold disk may take long; a healthy server answers within a second.
const START_MAX: Duration = Duration::from_secs(60);
/// What an immediate shutdown may take before the process is killed.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How often we look whether the server has started or ended.
const POLL: Duration = Duration::from_millis(50);
/// Somebody else may take the port between our choosing it and the server's binding it.
const PORTS_TRIED_MAX: u32 = 3;

/// The running server and its folder, which go in this order: also when we forget to stop it.
pub struct Postgres {
    server: Server,
    _folder: Folder,
    port: u16,
}

struct Server(Child);

struct Folder(PathBuf);

/// Where the newest installed server's programs are.
pub fn binaries() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").context("there is no /usr/lib/postgresql")?;
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| *version >= VERSION_MIN)
        .max()
        .with_context(|| format!("there is no PostgreSQL {VERSION_MIN} or newer in /usr/lib/postgresql"))?;
    let folder = PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"));
    if !folder.join("initdb").is_file() {
        bail!("PostgreSQL {newest} is there without its server");
    }
    Ok(folder)
}

impl Postgres {
    /// Makes a cluster in a new folder, starts it and waits until it answers.
    pub fn start() -> Result<Self> {
        let folder = make_cluster()?;
        for _ in 0..PORTS_TRIED_MAX {
            let port = free_port()?;
            let mut server = start_server(&folder.0, port)?;
            if server.answers_on(port)? {
                let running = Self { server, _folder: folder, port };
                println!("PostgreSQL answers at {}", running.url());
                return Ok(running);
            }
            println!("{}", fs::read_to_string(folder.0.join("log")).unwrap_or_default());
        }
        bail!("the server ended at once, {PORTS_TRIED_MAX} times; its log is above")
    }

    /// What `TEST_DATABASE_URL` says.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The process that has started all of the server's others.
    pub fn pid(&self) -> u32 {
        self.server.0.id()
    }

    /// Stops this server, and no other, and removes its folder.
    pub fn stop(mut self) -> Result<()> {
        self.server.stop()
    }
}

impl Server {
    /// Waits for the server; `false` when it ended by itself, which a port that was just taken explains.
    fn answers_on(&mut self, port: u16) -> Result<bool> {
        let is_ready = binaries()?.join("pg_isready");
        let port = port.to_string();
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if self.0.try_wait().context("watching postgres")?.is_some() {
                return Ok(false);
            }
            if shell::succeeds(Command::new(&is_ready).args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p", &port])) {
                return Ok(true);
            }
            thread::sleep(POLL);
        }
        bail!("postgres did not answer within {} s", START_MAX.as_secs())
    }

    fn stop(&mut self) -> Result<()> {
        if let Some(status) = self.0.try_wait().context("watching postgres")? {
            bail!("postgres had ended by itself: {status}");
        }
        // SIGQUIT is PostgreSQL's immediate shutdown. A fast one would first write every database that the tests have
        // made to a folder that goes away now, which takes a minute on a busy disk.
        shell::run(Command::new("kill").args(["-QUIT", &self.0.id().to_string()]))?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_MAX {
            match self.0.try_wait().context("watching postgres")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("postgres ended badly: {status}"),
                None => thread::sleep(POLL),
            }
        }
        self.0.kill().context("killing postgres")?;
        self.0.wait().context("waiting for postgres")?;
        bail!("postgres did not stop within {} s and was killed", STOP_MAX.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Reached with a live server only when a step failed between start and stop; that failure is already told.
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.stop();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("{} stays behind: {error}", self.0.display());
        }
    }
}

fn make_cluster() -> Result<Folder> {
    let folder = env::temp_dir().join(format!("keymint-postgres-{}", process::id()));
    fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
    let folder = Folder(folder);
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).context("closing the folder to others")?;
    if shell::is_root()? {
        let (uid, gid) = postgres_user()?;
        chown(&folder.0, Some(uid), Some(gid)).context("giving the folder to the user postgres")?;
    }
    let mut initdb = as_owner(&binaries()?.join("initdb"), &folder.0)?;
    initdb.arg("-D").arg(folder.0.join("data")).args(["-U", "postgres", "--auth=trust", "--encoding=UTF8"]);
    // Only the making of the cluster skips fsync; the server does not.
    initdb.args(["--no-sync", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]);
    shell::output(&mut initdb)?;
    Ok(folder)
}

fn start_server(folder: &Path, port: u16) -> Result<Server> {
    let log = File::create(folder.join("log")).context("making the server's log")?;
    let mut command = as_owner(&binaries()?.join("postgres"), folder)?;
    command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    command.arg("-c").arg(format!("unix_socket_directories={}", folder.display()));
    for setting in ["listen_addresses=127.0.0.1", "max_connections=300", "fsync=on", "synchronous_commit=on"] {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().context("sharing the server's log")?).stderr(log);
    println!("$ {}", shell::words(&command));
    command.spawn().map(Server).context("starting postgres")
}

/// The program as somebody who may run a server: ourselves, or the user `postgres` when we are root.
fn as_owner(program: &Path, folder: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.current_dir(folder).args(["--pdeathsig", "QUIT"]);
    if shell::is_root()? {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
    }
    command.arg("--").arg(program);
    Ok(command)
}

fn postgres_user() -> Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    find_user(&users, "postgres").context("there is no user postgres; the package postgresql makes it")
}

fn find_user(users: &str, name: &str) -> Option<(u32, u32)> {
    let fields: Vec<_> = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let found = fields.next() == Some(name);
        found.then(|| fields.skip(1).take(2).collect())
    })?;
    Some((fields.first()?.parse().ok()?, fields.get(1)?.parse().ok()?))
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("reading the free port")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_only() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres:x:107:114:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(find_user(users, "postgres"), Some((107, 114)));
        assert_eq!(find_user(users, "postgre"), None);
        assert_eq!(find_user("postgres:x:one:two", "postgres"), None);
    }

    #[test]
    fn a_free_port_can_be_bound() {
        let port = free_port().expect("there is one");
        TcpListener::bind(("127.0.0.1", port)).expect("it is free");
    }
}
