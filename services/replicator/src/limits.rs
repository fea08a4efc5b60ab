//! Back-pressure: how much is under way at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits for objects and for bytes of them in memory.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    objects: Arc<Semaphore>,
    buffer: Arc<Semaphore>,
    kibibytes: u32,
}

impl Limits {
    /// So many objects and mebibytes at once.
    pub(crate) fn new(objects: usize, mebibytes: usize) -> Self {
        let kibibytes = mebibytes * 1024;
        Self {
            objects: Arc::new(Semaphore::new(objects)),
            buffer: Arc::new(Semaphore::new(kibibytes)),
            kibibytes: u32::try_from(kibibytes).unwrap_or(u32::MAX),
        }
    }

    /// The same memory, and so many objects at once.
    pub(crate) fn with_objects(&self, objects: usize) -> Self {
        Self {
            objects: Arc::new(Semaphore::new(objects)),
            ..self.clone()
        }
    }

    /// Waits until one more object may be under way, then takes up to `most` permits.
    pub(crate) async fn objects(&self, most: usize) -> Vec<OwnedSemaphorePermit> {
        let mut permits = Vec::new();
        if let Ok(permit) = Arc::clone(&self.objects).acquire_owned().await {
            permits.push(permit);
        }
        while permits.len() < most {
            match Arc::clone(&self.objects).try_acquire_owned() {
                Ok(permit) => permits.push(permit),
                Err(_) => break,
            }
        }
        permits
    }

    /// Waits until so many bytes more fit into memory. What exceeds all of it takes all of it.
    pub(crate) async fn bytes(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let wanted = kibibytes.clamp(1, self.kibibytes);
        Arc::clone(&self.buffer)
            .acquire_many_owned(wanted)
            .await
            .ok()
    }

    /// The most bytes that one part may have.
    pub(crate) fn largest_part(&self) -> u64 {
        u64::from(self.kibibytes) * 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_is_under_way_than_is_allowed() {
        let limits = Limits::new(3, 16);
        let held = limits.objects(10).await;
        assert_eq!(held.len(), 3);
        assert_eq!(limits.objects.available_permits(), 0);
        drop(held);
        assert_eq!(limits.objects(2).await.len(), 2);
    }

    #[tokio::test]
    async fn what_is_too_large_waits_for_all_of_the_memory_and_not_for_ever() {
        let limits = Limits::new(1, 16);
        let held = limits.bytes(u64::MAX).await;
        assert_eq!(limits.buffer.available_permits(), 0);
        drop(held);
        assert_eq!(limits.buffer.available_permits(), 16 * 1024);
    }
}
