//! Memory in large pages: what is filled for the first time costs a fault a page, 2 KB to 4 KB of it as much as scanning a few spans.

/// Asks the system for large pages behind memory that is about to be filled; without effect where it has none to give.
pub fn large(begin: *const u8, len: usize) {
    #[cfg(target_os = "linux")]
    if len >= LEAST {
        let first = (begin as usize).next_multiple_of(PAGE);
        let last = (begin as usize).saturating_add(len) / PAGE * PAGE;
        if last > first {
            // SAFETY: the advice changes how the pages are backed, never what they hold, and whole pages of a range that is in use
            // are all that is named.
            unsafe { libc::madvise(first as *mut libc::c_void, last - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (begin, len);
}

/// The same for the room behind the elements of a vector.
pub fn large_room<T>(vector: &mut Vec<T>) {
    let room = vector.spare_capacity_mut();
    large(room.as_ptr().cast(), size_of_val(room));
}

/// Smaller ranges are not worth the call.
#[cfg(target_os = "linux")]
const LEAST: usize = 4 << 20;

#[cfg(target_os = "linux")]
const PAGE: usize = 4096;
