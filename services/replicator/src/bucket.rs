//! A bucket on a server, by the calls that replication needs.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, EncodingType};
use bytes::{Bytes, BytesMut};

use crate::cloud::Cloud;
use crate::decide::{History, Kind, Version};
use crate::event::decode_key;
use crate::failure::{Class, Failure, Result};
use crate::stamp::{MARK_KEY, Mark, Origin};

/// How far back a history is looked at.
const DEPTH: usize = 32;

/// A bucket.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// Its name and region.
    pub origin: Origin,
    /// The server that has it.
    pub cloud: Cloud,
    /// When it was made, in milliseconds since 1970.
    pub born: i64,
}

/// The current version of a key.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    /// What it is.
    pub version: Version,
    /// The entity tag, in quotes; empty for delete markers.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// On which condition a copy is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There is nothing, or a delete marker.
    Absent,
    /// The current version has this entity tag.
    Is(String),
}

/// What goes with the bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Properties {
    metadata: std::collections::HashMap<String, String>,
    content_type: Option<String>,
    cache_control: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    expires: Option<DateTime>,
    redirect: Option<String>,
    tags: Option<String>,
}

/// One version in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The key.
    pub key: String,
    /// The version id.
    pub id: String,
    /// When it was written, in milliseconds since 1970, of whole seconds.
    pub at: i64,
    /// Whether it is a delete marker.
    pub marker: bool,
    /// Whether it is the current one.
    pub latest: bool,
}

/// Where a listing goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    key: Option<String>,
    version: Option<String>,
}

/// Sets what goes with the bytes, which three calls know by the same names.
macro_rules! with_properties {
    ($call:expr, $properties:expr) => {
        $call
            .set_metadata(Some($properties.metadata.clone()))
            .set_content_type($properties.content_type.clone())
            .set_cache_control($properties.cache_control.clone())
            .set_content_disposition($properties.content_disposition.clone())
            .set_content_encoding($properties.content_encoding.clone())
            .set_content_language($properties.content_language.clone())
            .set_expires($properties.expires.clone())
            .set_website_redirect_location($properties.redirect.clone())
            .set_tagging($properties.tags.clone())
    };
}

impl Bucket {
    fn s3(&self) -> Client {
        self.cloud.s3(&self.origin.region)
    }

    fn object(&self, key: &str) -> String {
        format!(
            "s3://{}/{key} at {}",
            self.origin.bucket,
            self.cloud.endpoint()
        )
    }

    /// The current version; `None` where there is nothing of the key.
    pub(crate) async fn current(&self, key: &str) -> Result<Option<Current>> {
        self.head(key, None).await
    }

    async fn head(&self, key: &str, version: Option<&str>) -> Result<Option<Current>> {
        let call = self.s3().head_object().bucket(&self.origin.bucket).key(key);
        let head = match call.set_version_id(version.map(str::to_owned)).send().await {
            Ok(head) => head,
            Err(error) => {
                let headers = error
                    .raw_response()
                    .map(aws_sdk_s3::config::http::HttpResponse::headers);
                let header = |name: &str| {
                    headers
                        .and_then(|headers| headers.get(name))
                        .map(str::to_owned)
                };
                if header("x-amz-delete-marker").as_deref() == Some("true") {
                    return Ok(Some(Current {
                        version: Version {
                            id: header("x-amz-version-id").unwrap_or_default(),
                            at: 0,
                            kind: Kind::Marker,
                        },
                        etag: String::new(),
                        size: 0,
                    }));
                }
                let failure = Failure::of("look at", self.object(key), error);
                if failure.class == Class::Missing {
                    // HEAD has no body that could tell a missing bucket from a missing key.
                    self.exists().await?;
                    return Ok(None);
                }
                return Err(failure);
            }
        };
        let mark = head.metadata().and_then(|metadata| metadata.get(MARK_KEY));
        let mark = mark.and_then(|text| Mark::parse(text, &self.origin.bucket, key));
        Ok(Some(Current {
            version: Version {
                id: head.version_id().unwrap_or("null").to_owned(),
                at: seconds(head.last_modified()),
                kind: mark.map_or(Kind::Original, Kind::Copy),
            },
            etag: head.e_tag().unwrap_or_default().to_owned(),
            size: head
                .content_length()
                .unwrap_or_default()
                .try_into()
                .unwrap_or_default(),
        }))
    }

    /// Fails where the bucket is not there.
    pub(crate) async fn exists(&self) -> Result<()> {
        let call = self
            .s3()
            .head_bucket()
            .bucket(&self.origin.bucket)
            .send()
            .await;
        call.map(drop).map_err(|error| {
            let mut failure = Failure::of(
                "look at",
                format!("bucket {} at {}", self.origin, self.cloud.endpoint()),
                error,
            );
            if failure.class == Class::Missing {
                failure.class = Class::Later;
            }
            failure
        })
    }

    /// All versions of a key, as far back as is looked at.
    pub(crate) async fn history(&self, key: &str) -> Result<History> {
        let mut listed: Vec<Listed> = Vec::new();
        let mut page = Some(Page::default());
        while let Some(from) = page {
            let (versions, next) = self.list(key, &from).await?;
            page = next.filter(|_| {
                versions.last().is_none_or(|last| last.key == key) && listed.len() < DEPTH
            });
            listed.extend(versions.into_iter().filter(|version| version.key == key));
        }
        let mut versions = Vec::new();
        for one in listed.into_iter().take(DEPTH) {
            let kind = if one.marker {
                Kind::Marker
            } else {
                match self.head(key, Some(&one.id)).await? {
                    Some(found) => found.version.kind,
                    // Removed meanwhile.
                    None => continue,
                }
            };
            versions.push(Version {
                id: one.id,
                at: one.at,
                kind,
            });
        }
        Ok(History {
            origin: self.origin.clone(),
            versions,
        })
    }

    /// A page of all versions of all keys with a prefix: by key, the newest first.
    pub(crate) async fn list(
        &self,
        prefix: &str,
        from: &Page,
    ) -> Result<(Vec<Listed>, Option<Page>)> {
        let call = self
            .s3()
            .list_object_versions()
            .bucket(&self.origin.bucket)
            .prefix(prefix);
        let call = call
            .encoding_type(EncodingType::Url)
            .set_key_marker(from.key.clone())
            .set_version_id_marker(from.version.clone());
        let answer = call.send().await;
        let answer = answer.map_err(|error| Failure::of("list", self.object(prefix), error))?;
        let key = |text: Option<&str>| {
            decode_key(text.unwrap_or_default()).map_err(|error| {
                Failure::new(
                    "list",
                    self.object(prefix),
                    error.to_string(),
                    Class::Refused,
                )
            })
        };
        let mut listed = Vec::new();
        for version in answer.versions() {
            listed.push(Listed {
                key: key(version.key())?,
                id: version.version_id().unwrap_or("null").to_owned(),
                at: seconds(version.last_modified()),
                marker: false,
                latest: version.is_latest().unwrap_or_default(),
            });
        }
        for marker in answer.delete_markers() {
            listed.push(Listed {
                key: key(marker.key())?,
                id: marker.version_id().unwrap_or("null").to_owned(),
                at: seconds(marker.last_modified()),
                marker: true,
                latest: marker.is_latest().unwrap_or_default(),
            });
        }
        in_order(&mut listed);
        let next = answer.is_truncated().unwrap_or_default().then(|| {
            let decoded = answer
                .next_key_marker()
                .and_then(|key| decode_key(key).ok());
            Page {
                key: decoded,
                version: answer.next_version_id_marker().map(str::to_owned),
            }
        });
        Ok((listed, next))
    }

    /// Opens a version, all of it or some bytes (first and last).
    pub(crate) async fn open(
        &self,
        key: &str,
        version: &str,
        range: Option<(u64, u64)>,
    ) -> Result<GetObjectOutput> {
        let call = self
            .s3()
            .get_object()
            .bucket(&self.origin.bucket)
            .key(key)
            .version_id(version);
        let call = call.set_range(range.map(|(first, last)| format!("bytes={first}-{last}")));
        let answer = call.send().await;
        answer.map_err(|error| Failure::of("read", self.object(key), error))
    }

    /// Reads an opened body, which must have this length.
    pub(crate) async fn read(&self, key: &str, mut body: ByteStream, length: u64) -> Result<Bytes> {
        let failed = |told: String| Failure::new("read", self.object(key), told, Class::Later);
        let mut bytes = BytesMut::with_capacity(usize::try_from(length).unwrap_or_default());
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| failed(error.to_string()))?;
            if (bytes.len() + chunk.len()) as u64 > length {
                return Err(failed(format!(
                    "more than the {length} bytes that were announced"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.len() as u64 != length {
            return Err(failed(format!(
                "{} of {length} bytes, then the connection ended",
                bytes.len()
            )));
        }
        Ok(bytes.freeze())
    }

    /// What goes with a version's bytes; `opened` is an answer to [`Bucket::open`].
    pub(crate) async fn properties(
        &self,
        key: &str,
        version: &str,
        opened: &GetObjectOutput,
    ) -> Result<Properties> {
        let tags = if opened.tag_count().unwrap_or_default() > 0 {
            let call = self
                .s3()
                .get_object_tagging()
                .bucket(&self.origin.bucket)
                .key(key)
                .version_id(version);
            let answer = call.send().await;
            let answer =
                answer.map_err(|error| Failure::of("read the tags of", self.object(key), error))?;
            Some(render_tags(
                answer.tag_set().iter().map(|tag| (tag.key(), tag.value())),
            ))
        } else {
            None
        };
        Ok(Properties {
            metadata: opened.metadata().cloned().unwrap_or_default(),
            content_type: opened.content_type().map(str::to_owned),
            cache_control: opened.cache_control().map(str::to_owned),
            content_disposition: opened.content_disposition().map(str::to_owned),
            content_encoding: opened.content_encoding().map(str::to_owned),
            content_language: opened.content_language().map(str::to_owned),
            expires: opened.expires_string().and_then(|text| {
                DateTime::from_str(text, aws_sdk_s3::primitives::DateTimeFormat::HttpDate).ok()
            }),
            redirect: opened.website_redirect_location().map(str::to_owned),
            tags,
        })
    }

    /// Writes an object in one piece.
    pub(crate) async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        properties: &Properties,
        condition: Option<&Condition>,
    ) -> Result<()> {
        let call = self.s3().put_object().bucket(&self.origin.bucket).key(key);
        let call = with_properties!(call, properties)
            .set_if_none_match(absent(condition))
            .set_if_match(same(condition))
            .body(ByteStream::from(bytes));
        let answer = call.send().await;
        self.written("write", key, condition, answer.map(drop))
    }

    /// Begins an object in parts; gives the upload's id.
    pub(crate) async fn begin(&self, key: &str, properties: &Properties) -> Result<String> {
        let call = self
            .s3()
            .create_multipart_upload()
            .bucket(&self.origin.bucket)
            .key(key);
        let answer = with_properties!(call, properties).send().await;
        let answer =
            answer.map_err(|error| Failure::of("begin to write", self.object(key), error))?;
        answer.upload_id().map(str::to_owned).ok_or_else(|| {
            Failure::new(
                "begin to write",
                self.object(key),
                "the server gave no upload id",
                Class::Refused,
            )
        })
    }

    /// Writes one part, counted from 1.
    pub(crate) async fn part(
        &self,
        key: &str,
        upload: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<CompletedPart> {
        let call = self
            .s3()
            .upload_part()
            .bucket(&self.origin.bucket)
            .key(key)
            .upload_id(upload);
        let answer = call
            .part_number(number)
            .body(ByteStream::from(bytes))
            .send()
            .await;
        let answer =
            answer.map_err(|error| Failure::of("write a part of", self.object(key), error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .build())
    }

    /// Makes an object of its parts.
    pub(crate) async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<CompletedPart>,
        condition: Option<&Condition>,
    ) -> Result<()> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let call = self
            .s3()
            .complete_multipart_upload()
            .bucket(&self.origin.bucket)
            .key(key)
            .upload_id(upload);
        let answer = call
            .multipart_upload(parts)
            .set_if_none_match(absent(condition))
            .set_if_match(same(condition))
            .send()
            .await;
        self.written("finish writing", key, condition, answer.map(drop))
    }

    /// Gives up an object in parts.
    pub(crate) async fn abort(&self, key: &str, upload: &str) -> Result<()> {
        let call = self
            .s3()
            .abort_multipart_upload()
            .bucket(&self.origin.bucket)
            .key(key);
        let answer = call.upload_id(upload).send().await;
        answer
            .map(drop)
            .map_err(|error| Failure::of("give up writing", self.object(key), error))
    }

    /// Deletes: a delete marker is laid over `beneath`. Where somebody else wrote in the same moment, the
    /// marker is taken away again.
    pub(crate) async fn delete(&self, key: &str, beneath: &str) -> Result<()> {
        let call = self
            .s3()
            .delete_object()
            .bucket(&self.origin.bucket)
            .key(key)
            .send()
            .await;
        let answer = call.map_err(|error| Failure::of("delete", self.object(key), error))?;
        let Some(marker) = answer.version_id() else {
            return Ok(());
        };
        let (listed, _) = self.list(key, &Page::default()).await?;
        let mut after = listed
            .iter()
            .filter(|one| one.key == key)
            .skip_while(|one| one.id != marker)
            .skip(1);
        if after.next().is_none_or(|one| one.id == beneath) {
            return Ok(());
        }
        let call = self
            .s3()
            .delete_object()
            .bucket(&self.origin.bucket)
            .key(key)
            .version_id(marker)
            .send()
            .await;
        call.map_err(|error| Failure::of("take back the deletion of", self.object(key), error))?;
        Err(Failure::new(
            "delete",
            self.object(key),
            "it was written meanwhile",
            Class::Changed,
        ))
    }

    fn written<E>(
        &self,
        operation: &'static str,
        key: &str,
        condition: Option<&Condition>,
        answer: std::result::Result<(), aws_sdk_s3::error::SdkError<E>>,
    ) -> Result<()>
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        answer.map_err(|error| {
            let mut failure = Failure::of(operation, self.object(key), error);
            // What should have been there is gone.
            if failure.class == Class::Missing && condition.is_some() {
                failure.class = Class::Changed;
            }
            failure
        })
    }
}

impl Properties {
    /// Says whose copy it is.
    pub(crate) fn mark(&mut self, mark: &Mark, bucket: &str, key: &str) {
        self.metadata
            .insert(MARK_KEY.to_owned(), mark.render(bucket, key));
    }

    /// No copy any more.
    pub(crate) fn unmark(&mut self) {
        self.metadata.remove(MARK_KEY);
    }
}

fn absent(condition: Option<&Condition>) -> Option<String> {
    (condition == Some(&Condition::Absent)).then(|| "*".to_owned())
}

fn same(condition: Option<&Condition>) -> Option<String> {
    match condition {
        Some(Condition::Is(etag)) => Some(etag.clone()),
        _ => None,
    }
}

fn seconds(at: Option<&DateTime>) -> i64 {
    at.map_or(0, |at| at.secs().saturating_mul(1000))
}

/// The answer has versions and markers apart. Of one second, a marker is taken for the later: where the
/// order cannot be known, the data is kept.
fn in_order(listed: &mut [Listed]) {
    listed.sort_by(|a, b| {
        let newest = (b.latest, b.at, b.marker).cmp(&(a.latest, a.at, a.marker));
        a.key.as_bytes().cmp(b.key.as_bytes()).then(newest)
    });
}

fn render_tags<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = tags
        .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(key: &str, id: &str, at: i64, marker: bool, latest: bool) -> Listed {
        Listed {
            key: key.into(),
            id: id.into(),
            at,
            marker,
            latest,
        }
    }

    #[test]
    fn a_listing_is_by_key_and_the_newest_first() {
        let mut all = vec![
            listed("b", "v3", 9, false, true),
            listed("a", "v2", 5, false, true),
            listed("a", "v1", 4, false, false),
            listed("a", "m1", 4, true, false),
        ];
        in_order(&mut all);
        let ids: Vec<&str> = all.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["v2", "m1", "v1", "v3"]);
    }

    #[test]
    fn tags_are_written_as_a_query() {
        assert_eq!(
            render_tags([("a b", "c&d"), ("e", "")].into_iter()),
            "a%20b=c%26d&e="
        );
    }
}
