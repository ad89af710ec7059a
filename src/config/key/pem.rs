//! Blocks of PEM as OpenSSL and people write them: with leading text, any line ends, any line
//! width.

use aes::{Aes128, Aes192, Aes256};
use base64ct::{Base64, Encoding};
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit, block_padding::Pkcs7};
use des::TdesEde3;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::KeyFault;

/// One `BEGIN`/`END` block.
pub(in crate::config) struct Block<'a> {
    pub(in crate::config) label: &'a str,
    /// The value of `DEK-Info`: the encryption of OpenSSL's traditional form.
    encryption: Option<&'a str>,
    body: Zeroizing<String>,
}

/// Every complete block in the text.
pub(in crate::config) fn blocks(mut text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    while let Some((label, content, rest)) = next(text) {
        let mut block = Block {
            label,
            encryption: None,
            // Does not grow, so that no copy of the key stays in memory.
            body: Zeroizing::new(String::with_capacity(content.len())),
        };
        for line in content.lines() {
            match line.split_once(':') {
                Some(("DEK-Info", value)) => block.encryption = Some(value.trim()),
                Some(_) => {}
                None => block.body.extend(line.split_whitespace()),
            }
        }
        blocks.push(block);
        text = rest;
    }
    blocks
}

/// The label of the next block, its content, and the rest of the text.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (_, text) = text.split_once("-----BEGIN ")?;
    let (label, text) = text.split_once("-----")?;
    let (content, rest) = text.split_once("-----END ")?;
    Some((label, content, rest))
}

impl Block<'_> {
    pub(super) fn is_encrypted(&self) -> bool {
        self.encryption.is_some()
    }

    /// The content of the block; nothing if it is damaged.
    pub(in crate::config) fn content(&self) -> Option<Zeroizing<Vec<u8>>> {
        Base64::decode_vec(&self.body).ok().map(Zeroizing::new)
    }

    /// The content of the block, decrypted if its header says that it is encrypted.
    pub(super) fn der(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
        let der = self.content().ok_or(KeyFault::Malformed)?;
        match self.encryption {
            None => Ok(der),
            Some(encryption) => decrypt(encryption, der, passphrase.ok_or(KeyFault::NoPassphrase)?),
        }
    }
}

/// OpenSSL's traditional encryption: `DEK-Info: AES-256-CBC,<iv in hex>`.
fn decrypt(
    encryption: &str,
    mut der: Zeroizing<Vec<u8>>,
    passphrase: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let (cipher, iv) = encryption.split_once(',').ok_or(KeyFault::Malformed)?;
    let iv = hex(iv.trim()).ok_or(KeyFault::Malformed)?;
    let length = match cipher.trim() {
        "DES-EDE3-CBC" => decrypt_cbc::<TdesEde3>(&mut der, &iv, passphrase),
        "AES-128-CBC" => decrypt_cbc::<Aes128>(&mut der, &iv, passphrase),
        "AES-192-CBC" => decrypt_cbc::<Aes192>(&mut der, &iv, passphrase),
        "AES-256-CBC" => decrypt_cbc::<Aes256>(&mut der, &iv, passphrase),
        // Anything can be there, even a piece of the key if its lines were joined.
        other if other.len() <= 24 && is_cipher(other) => {
            return Err(KeyFault::UnsupportedEncryption(other.to_owned()));
        }
        _ => return Err(KeyFault::Malformed),
    }?;
    der.truncate(length);
    Ok(der)
}

/// Decrypts in place, and returns the length without padding.
fn decrypt_cbc<C: BlockCipherDecrypt + KeyInit>(
    der: &mut [u8],
    iv: &[u8],
    passphrase: &[u8],
) -> Result<usize, KeyFault> {
    let salt = iv.get(..8).ok_or(KeyFault::Malformed)?;
    let key = bytes_to_key(passphrase, salt, C::key_size());
    let plain = cbc::Decryptor::<C>::new_from_slices(&key, iv)
        .map_err(|_| KeyFault::Malformed)?
        .decrypt_padded::<Pkcs7>(der)
        .map_err(|_| KeyFault::WrongPassphrase)?;
    Ok(plain.len())
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round.
fn bytes_to_key(passphrase: &[u8], salt: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + Md5::output_size()));
    let mut last = Zeroizing::new(Vec::new());
    while key.len() < length {
        let digest = Md5::new()
            .chain_update(&last)
            .chain_update(passphrase)
            .chain_update(salt)
            .finalize();
        last = Zeroizing::new(digest.to_vec());
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}

/// Returns whether it has the form of OpenSSL's names of ciphers.
fn is_cipher(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    name.ends_with("-CBC") && name.chars().all(is_letter)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
