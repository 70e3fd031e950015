//! Memory in large pages: what is filled for the first time costs a fault a page, 2 KB to 4 KB of it as much as scanning a few spans.

/// Asks the system for large pages behind memory that is about to be filled; without effect where it has none to give.
pub fn large(begin: *const u8, len: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the advice changes how the pages are backed, never what they hold.
    unsafe {
        advise(begin as usize, len, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (begin, len);
}

/// The same for the room behind the elements of a vector.
pub fn large_room<T>(vector: &mut Vec<T>) {
    let room = vector.spare_capacity_mut();
    large(room.as_ptr().cast(), size_of_val(room));
}

/// Leaves the room of a vector to the system until it is filled again: what it needs it takes, what it does not need costs no fault
/// then. False where the system knows no such thing.
pub fn lend_room<T>(vector: &mut Vec<T>) -> bool {
    #[cfg(target_os = "linux")]
    {
        let room = vector.spare_capacity_mut();
        // SAFETY: the room holds no values yet, and nothing reads it before it has been written.
        unsafe { advise(room.as_ptr() as usize, size_of_val(room), libc::MADV_FREE) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = vector;
        false
    }
}

/// Gives an advice about the whole pages of a range that is in use, if it is a large one; false if the system refuses it.
///
/// # Safety
/// What the advice does to the contents of the range must be fine.
#[cfg(target_os = "linux")]
unsafe fn advise(begin: usize, len: usize, advice: libc::c_int) -> bool {
    let first = begin.next_multiple_of(PAGE);
    let last = begin.saturating_add(len) / PAGE * PAGE;
    len < LEAST || last <= first || libc::madvise(first as *mut libc::c_void, last - first, advice) == 0
}

/// Smaller ranges are not worth the call.
#[cfg(target_os = "linux")]
const LEAST: usize = 4 << 20;

#[cfg(target_os = "linux")]
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_was_lent_can_be_filled_again() {
        let mut vector: Vec<u64> = (0..1 << 21).collect();
        let (room, place) = (vector.capacity(), vector.as_ptr());
        vector.clear();
        assert_eq!(lend_room(&mut vector), cfg!(target_os = "linux"));
        vector.extend((0..1 << 21).map(|at| at * 3));
        assert_eq!((vector.capacity(), vector.as_ptr()), (room, place));
        assert!(vector.iter().zip(0..).all(|(&found, at)| found == at * 3));
    }

    #[test]
    fn what_a_vector_holds_is_not_lent() {
        let mut vector: Vec<u64> = Vec::with_capacity(1 << 21);
        vector.extend(0..1 << 20);
        lend_room(&mut vector);
        assert!(vector.iter().zip(0..).all(|(&found, at)| found == at));
    }
}
