//! `cert`: a CA, and certificates of nodes and clients, in the vendor's layout of files.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::flags::Flags;
use super::table::Format;
use crate::error::CliError;
use crate::tls;

const HOUR: u64 = 3600;

/// Runs `cert <what>`.
pub(crate) fn run(what: &str, flags: &Flags) -> Result<String, CliError> {
    let dir = tls::certs_dir(flags.get("certs-dir"));
    if let Some(size) = flags.get("key-size") {
        size.parse::<u32>().map_err(|_| {
            CliError::flag(format!(
                "invalid argument {size:?} for \"--key-size\" flag: not a number"
            ))
        })?;
    }
    match what {
        "create-ca" => create_ca(&dir, flags),
        "create-node" => create_node(&dir, flags),
        "create-client" => create_client(&dir, flags),
        _ => list(&dir),
    }
}

fn create_ca(dir: &Path, flags: &Flags) -> Result<String, CliError> {
    let key_file = ca_key(flags)?;
    fs::create_dir_all(dir)
        .map_err(|e| CliError::new(format!("could not create {}: {e}", dir.display())))?;
    let key = if key_file.exists() {
        if !flags.is("allow-ca-key-reuse") && !flags.is("overwrite") {
            return Err(CliError::new(format!(
                "CA key {} exists, but key reuse is disabled",
                key_file.display()
            )));
        }
        read_key(&key_file)?
    } else {
        let key = KeyPair::generate().map_err(told)?;
        write(&key_file, key.serialize_pem().as_bytes(), 0o600, false)?;
        key
    };
    let mut params = CertificateParams::default();
    name(&mut params, "Cockroach CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    lifetime(&mut params, flags, 87_840)?;
    let mut pem = params.self_signed(&key).map_err(told)?.pem();
    let file = dir.join("ca.crt");
    let overwrite = flags.is("overwrite");
    if overwrite && file.exists() {
        // The authority before is trusted until nothing that it signed is in use any more.
        let before = fs::read_to_string(&file)
            .map_err(|e| CliError::new(format!("could not read {}: {e}", file.display())))?;
        pem.push_str(&before);
    }
    write(&file, pem.as_bytes(), 0o644, overwrite)?;
    Ok(String::new())
}

fn create_node(dir: &Path, flags: &Flags) -> Result<String, CliError> {
    if flags.arguments.is_empty() {
        return Err(CliError::new(
            "create-node requires at least one hostname or address, none was specified",
        ));
    }
    let mut params = CertificateParams::default();
    name(&mut params, "node");
    for host in &flags.arguments {
        params.subject_alt_names.push(match host.parse() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(host.as_str().try_into().map_err(told)?),
        });
    }
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    sign(dir, flags, params, "node")
}

fn create_client(dir: &Path, flags: &Flags) -> Result<String, CliError> {
    let [user] = flags.arguments.as_slice() else {
        return Err(CliError::new(format!(
            "accepts 1 arg(s), received {}",
            flags.arguments.len()
        )));
    };
    let mut params = CertificateParams::default();
    name(&mut params, user);
    params
        .subject_alt_names
        .push(SanType::DnsName(user.as_str().try_into().map_err(told)?));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    sign(dir, flags, params, &format!("client.{user}"))
}

fn sign(
    dir: &Path,
    flags: &Flags,
    mut params: CertificateParams,
    file: &str,
) -> Result<String, CliError> {
    let key_file = ca_key(flags)?;
    let ca_file = dir.join("ca.crt");
    let ca = fs::read_to_string(&ca_file).map_err(|e| {
        CliError::new(format!(
            "could not load CA certificate {}: {e}",
            ca_file.display()
        ))
    })?;
    let issuer = Issuer::from_ca_cert_pem(&ca, read_key(&key_file)?).map_err(told)?;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    lifetime(&mut params, flags, 43_830)?;
    let key = KeyPair::generate().map_err(told)?;
    let certificate = params.signed_by(&key, &issuer).map_err(told)?;
    let overwrite = flags.is("overwrite");
    write(
        &dir.join(format!("{file}.crt")),
        certificate.pem().as_bytes(),
        0o644,
        overwrite,
    )?;
    write(
        &dir.join(format!("{file}.key")),
        key.serialize_pem().as_bytes(),
        0o600,
        overwrite,
    )?;
    if flags.is("also-generate-pkcs8-key") {
        let path = dir.join(format!("{file}.key.pk8"));
        write(&path, &key.serialize_der(), 0o600, overwrite)?;
    }
    Ok(String::new())
}

fn list(dir: &Path) -> Result<String, CliError> {
    let mut rows = Vec::new();
    let entries = fs::read_dir(dir)
        .map_err(|e| CliError::new(format!("cannot load certificates: {}: {e}", dir.display())))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for file in names
        .iter()
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == "crt"))
    {
        let (usage, key) = match file.as_str() {
            "ca.crt" => ("CA", String::new()),
            "node.crt" => ("Node", "node.key".to_owned()),
            _ => ("Client", file.replace(".crt", ".key")),
        };
        let about = tls::describe(&dir.join(file))?;
        rows.push(vec![
            Some(usage.to_owned()),
            Some(file.clone()),
            Some(key),
            Some(about.expires),
            Some(about.subject),
            None,
        ]);
    }
    let columns = [
        "Usage",
        "Certificate File",
        "Key File",
        "Expires",
        "Notes",
        "Error",
    ];
    let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
    Ok(format!(
        "Certificate directory: {}\n{}",
        dir.display(),
        Format::parse(None)?.print(&columns, &rows)
    ))
}

fn ca_key(flags: &Flags) -> Result<PathBuf, CliError> {
    flags.get("ca-key").map(PathBuf::from).ok_or_else(|| {
        CliError::new("the CA key is needed")
            .hint("pass --ca-key=<path>, outside of the nodes' certificate directories")
    })
}

fn read_key(file: &Path) -> Result<KeyPair, CliError> {
    let pem = fs::read_to_string(file)
        .map_err(|e| CliError::new(format!("could not read CA key {}: {e}", file.display())))?;
    KeyPair::from_pem(&pem).map_err(told)
}

fn name(params: &mut CertificateParams, common: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Cockroach");
    params.distinguished_name.push(DnType::CommonName, common);
}

fn lifetime(params: &mut CertificateParams, flags: &Flags, hours: u64) -> Result<(), CliError> {
    let lifetime = flags
        .duration("lifetime")?
        .unwrap_or_else(|| Duration::from_secs(hours * HOUR));
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(HOUR)).into();
    params.not_after = (now + lifetime).into();
    Ok(())
}

fn write(path: &Path, bytes: &[u8], mode: u32, overwrite: bool) -> Result<(), CliError> {
    let failed =
        |e: std::io::Error| CliError::new(format!("could not write {}: {e}", path.display()));
    if path.exists() && !overwrite {
        return Err(CliError::new(format!("{} already exists", path.display()))
            .hint("pass --overwrite to replace it"));
    }
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&new)
        .map_err(failed)?;
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

fn told(error: impl std::fmt::Display) -> CliError {
    CliError::new(format!("could not make the certificate: {error}"))
}
