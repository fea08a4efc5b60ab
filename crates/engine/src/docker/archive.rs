//! Files into and out of containers, running or not, as tar streams.

use std::io::Read as _;

use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt as _;

use super::Docker;
use crate::error::{Error, Result};

/// A file to be put into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
    /// Permission bits, for instance `0o744`.
    pub mode: u32,
}

impl Docker {
    /// Writes files; missing folders are made.
    pub async fn put_files(&self, container: &str, files: &[File]) -> Result<()> {
        let body = bundle(files).map_err(|error| Error::Unexpected {
            what: format!("files for {container}"),
            reason: error.to_string(),
        })?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        self.api()
            .upload_to_container(container, Some(options), bollard::body_full(body.into()))
            .await
            .map_err(|error| self.failed("write files into", container, error))
    }

    /// Reads one file; `None` where it does not exist, or its container goes or is gone.
    pub async fn get_file(&self, container: &str, path: &str) -> Result<Option<Vec<u8>>> {
        let options = DownloadFromContainerOptionsBuilder::default()
            .path(path)
            .build();
        let mut stream =
            std::pin::pin!(self.api().download_from_container(container, Some(options)));
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(error) => {
                    let error = self.failed("read a file of", container, error);
                    return if error.is_of_ended_container() {
                        Ok(None)
                    } else {
                        Err(error)
                    };
                }
            }
        }
        first_file(&bytes).map_err(|error| Error::Unexpected {
            what: format!("{path} of {container}"),
            reason: error.to_string(),
        })
    }
}

/// Files as a tar stream. Owner 0 and short names, because k3d reads back with a simple parser.
fn bundle(files: &[File]) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(tar::EntryType::Regular);
        builder.append_data(
            &mut header,
            file.path.trim_start_matches('/'),
            file.content.as_slice(),
        )?;
    }
    builder.into_inner()
}

/// The first regular file of a tar stream.
fn first_file(bytes: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            return Ok(Some(content));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let file = File {
            path: "/etc/confd/values.yaml".into(),
            content: b"a: 1\n".into(),
            mode: 0o744,
        };
        let bytes = bundle(std::slice::from_ref(&file)).unwrap();
        assert_eq!(first_file(&bytes).unwrap(), Some(file.content));
    }
}
