//! Passwords: a salted hash is all that is kept of them.

use std::num::NonZeroU32;

use ring::pbkdf2;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::error::SqlError;

const ROUNDS: NonZeroU32 = NonZeroU32::new(119_680).unwrap();

/// Salt and hash of a password.
pub(crate) fn hash(text: &str) -> Result<String, SqlError> {
    let mut salt = [0; 16];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| SqlError::new("XX000", "no randomness for a salt"))?;
    let mut out = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ROUNDS,
        &salt,
        text.as_bytes(),
        &mut out,
    );
    Ok(format!("{}${}", hex(&salt), hex(&out)))
}

/// Whether a password is the one that was hashed.
pub(crate) fn verify(text: &str, stored: &str) -> bool {
    let Some((salt, hash)) = stored.split_once('$') else {
        return false;
    };
    let (Some(salt), Some(hash)) = (unhex(salt), unhex(hash)) else {
        return false;
    };
    pbkdf2::verify(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ROUNDS,
        &salt,
        text.as_bytes(),
        &hash,
    )
    .is_ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_password_fits() {
        let stored = hash("correct horse").unwrap();
        assert!(verify("correct horse", &stored) && !verify("battery staple", &stored));
    }
}
