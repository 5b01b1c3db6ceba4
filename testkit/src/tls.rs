//! TLS for tests: an authority of the test's own, certificates by it in files, and a client that trusts it alone.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::http::{DEADLINE, Reply, read};
use crate::serve::write_private;

/// A stream under TLS.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// An authority that nobody else trusts.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// The files of a pair.
#[derive(Clone, Debug)]
pub struct Files {
    /// With the certificate.
    pub certificate: PathBuf,
    /// With the key.
    pub key: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // OpenSSL tells certificates apart by their subjects.
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }
}

impl Authority {
    /// A certificate for a name, which ends in this year.
    pub fn until(&self, name: &str, year: i32) -> Pem {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Pem { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A certificate for a name.
    pub fn certificate(&self, name: &str) -> Pem {
        self.until(name, 4000)
    }

    /// Writes its own certificate to a file, for clients that are told whom to trust.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("authority.pem");
        std::fs::write(&path, self.0.pem()).expect("a file");
        path
    }

    /// A client that trusts this authority, and speaks these protocols.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        client_of(self.0.der().clone(), protocols)
    }

    /// Connects and shakes hands.
    ///
    /// # Errors
    /// Why there is no connection.
    pub fn connect(&self, address: SocketAddr, name: &str) -> std::io::Result<TlsStream> {
        connect(self.client(&["http/1.1"]), address, name)
    }

    /// Sends bytes on a connection of their own and reads one answer.
    pub fn raw(&self, address: SocketAddr, name: &str, bytes: &[u8]) -> Option<Reply> {
        let mut stream = self.connect(address, name).ok()?;
        let _ = stream.write_all(bytes);
        read(&mut stream)
    }
}

/// A client that trusts the authority of this certificate in PEM alone, and speaks HTTP/1.1.
pub fn trusting(pem: &str) -> Arc<ClientConfig> {
    client_of(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate"), &["http/1.1"])
}

fn client_of(root: CertificateDer<'static>, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Connects as this client and shakes hands.
///
/// # Errors
/// Why there is no connection.
pub fn connect(client: Arc<ClientConfig>, address: SocketAddr, name: &str) -> std::io::Result<TlsStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
    let mut session = ClientConnection::new(client, name).map_err(std::io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(session, stream))
}

/// The certificate that a server showed, as bytes.
pub fn shown(stream: &TlsStream) -> Vec<u8> {
    let chain = stream.conn.peer_certificates().expect("a certificate");
    chain.first().expect("a certificate").to_vec()
}

/// Whether a connection ends without another byte.
pub fn is_over(stream: &mut impl Read) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        // Nothing came, and nothing ended either.
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

impl Pem {
    /// Writes it to two files, the key for its owner alone.
    pub fn write(&self, folder: &Path, name: &str) -> Files {
        let files = Files { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        std::fs::write(&files.certificate, &self.certificate).expect("a file");
        write_private(&files.key, &self.key);
        files
    }
}

impl Files {
    /// The settings of a listener's table that name them.
    pub fn settings(&self) -> String {
        format!("certificate = \"{}\"\nkey = \"{}\"\n", self.certificate.display(), self.key.display())
    }
}
