//! The disk under SQLite: a VFS (<https://sqlite.org/vfs.html>) that hands every call to a [`Disk`].
//!
//! Owns all that is unsafe here. Why it is sound: SQLite calls a method only with a file that `xOpen` has filled in and
//! `xClose` has not yet ended, so that the box behind it lives; buffers are as long as SQLite says; names end with a zero byte.
//! A method takes the box by shared reference, and [`Disk`] has its own lock, so that connections on several threads may call at
//! once. The tables of methods and of the VFS itself are leaked once and never change. The shared memory that SQLite gets is made
//! of atomics on the heap that stay where they are until no handle has them mapped.
#![expect(unsafe_code, reason = "SQLite's interface is one of C")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rusqlite::ffi::{
    self, SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ,
    SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_WRITE, SQLITE_NOTFOUND, SQLITE_OK, sqlite3_file,
    sqlite3_io_methods, sqlite3_vfs,
};

use crate::disk::{Disk, Handle, Lock, Refusal};

/// What to open a database with.
pub(crate) const VFS: &CStr = c"mechat-power-loss";
/// What a file name begins with; the number of its disk follows.
const ROOT: &str = "/disk-";
/// As SQLite's own layer for Unix reports it.
const SECTOR_LEN: c_int = 4_096;

/// Never one that was used before: a connection to an earlier disk may still be on its way out.
static NEXT: AtomicU64 = AtomicU64::new(1);
static DISKS: Mutex<BTreeMap<u64, Arc<Disk>>> = Mutex::new(BTreeMap::new());

/// A disk that SQLite can find. It cannot any more when this is dropped; what is open stays so.
pub(crate) struct Mounted {
    number: u64,
}

impl Mounted {
    pub(crate) fn new(disk: &Arc<Disk>) -> Self {
        register();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        DISKS.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(disk));
        Self { number }
    }

    /// A file on it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        format!("{ROOT}{}/{name}", self.number).into()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        DISKS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// The disk that a name lies on, and the name there.
fn find(path: &str) -> Option<(Arc<Disk>, &str)> {
    let (number, name) = path.strip_prefix(ROOT)?.split_once('/')?;
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    Some((Arc::clone(disks.get(&number.parse().ok()?)?), name))
}

/// SQLite's file, with ours behind it.
#[repr(C)]
struct File {
    base: sqlite3_file,
    open: *mut Open,
}

struct Open {
    disk: Arc<Disk>,
    handle: Handle,
    /// To be removed with its close.
    temporary: Option<String>,
}

fn register() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        // SAFETY: the structure is valid for good, and so is all that it points to; SQLite copies nothing out of the default
        // one but pointers to functions.
        unsafe {
            let default = ffi::sqlite3_vfs_find(std::ptr::null());
            assert!(!default.is_null(), "SQLite has a VFS of its own");
            let vfs = sqlite3_vfs {
                iVersion: 2,
                szOsFile: c_int::try_from(size_of::<File>()).expect("small"),
                mxPathname: 512,
                pNext: std::ptr::null_mut(),
                zName: VFS.as_ptr(),
                pAppData: std::ptr::null_mut(),
                xOpen: Some(open),
                xDelete: Some(delete),
                xAccess: Some(access),
                xFullPathname: Some(full_pathname),
                ..*default
            };
            let registered = ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0);
            assert_eq!(registered, SQLITE_OK);
        }
    });
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn code(result: Result<(), Refusal>, io: c_int) -> c_int {
    match result {
        Ok(()) => SQLITE_OK,
        Err(Refusal::Io) => io,
        Err(Refusal::Full) => SQLITE_FULL,
        Err(Refusal::Busy) => SQLITE_BUSY,
    }
}

/// What `xOpen` put behind the file.
unsafe fn opened<'a>(file: *mut sqlite3_file) -> &'a Open {
    // SAFETY: see the module: SQLite gives only files that are open.
    unsafe { &*(*file.cast::<File>()).open }
}

/// A number of SQLite's that is never negative.
fn index<N: TryInto<usize>>(number: N) -> usize {
    number.try_into().ok().expect("SQLite's offsets and lengths are not negative")
}

unsafe fn text<'a>(name: *const c_char) -> &'a str {
    // SAFETY: SQLite's names end with a zero byte and live as long as the call.
    unsafe { CStr::from_ptr(name) }.to_str().expect("our names are UTF-8")
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    /// Where files without a name lie: nobody looks for them after a loss of power.
    static SCRATCH: OnceLock<Arc<Disk>> = OnceLock::new();
    // SAFETY: `file` has room for a `File`, as `szOsFile` asks; without methods SQLite does not close it.
    unsafe { (*file).pMethods = std::ptr::null() };
    // SAFETY: a name is null or ends with a zero byte.
    let name = (!name.is_null()).then(|| unsafe { text(name) });
    let (disk, name) = match name {
        None => (Arc::clone(SCRATCH.get_or_init(|| Disk::new(0))), None),
        Some(path) => match find(path) {
            Some((disk, name)) => (disk, Some(name)),
            None => return SQLITE_CANTOPEN,
        },
    };
    let journal =
        flags & (ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL);
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let Ok(handle) = disk.open(name, create, journal != 0) else { return SQLITE_CANTOPEN };
    let temporary =
        (flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0).then_some(name).flatten().map(str::to_owned);
    let open = Box::into_raw(Box::new(Open { disk, handle, temporary }));
    // SAFETY: as above; `out_flags` is null or points to a number.
    unsafe {
        (*file.cast::<File>()).open = open;
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    SQLITE_OK
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the box is from `open`, and this is its last use.
    let open = unsafe { Box::from_raw((*file.cast::<File>()).open) };
    open.disk.close(open.handle);
    if let Some(name) = &open.temporary {
        let _ = open.disk.delete(name, false); // Without power there is nothing to remove.
    }
    SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: see `text`.
    let Some((disk, name)) = find(unsafe { text(name) }) else { return ffi::SQLITE_IOERR_DELETE_NOENT };
    if !disk.exists(name) {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    code(disk.delete(name, sync_directory != 0), ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access(_: *mut sqlite3_vfs, name: *const c_char, _: c_int, out: *mut c_int) -> c_int {
    // SAFETY: see `text`; `out` points to a number.
    unsafe { *out = c_int::from(find(text(name)).is_some_and(|(disk, name)| disk.exists(name))) };
    SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    len: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: see `text`; `out` has room for `len` bytes, and the name is copied only if it fits.
    unsafe {
        let name = CString::from(CStr::from_ptr(name));
        let bytes = name.as_bytes_with_nul();
        if bytes.len() > index(len) {
            return SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
    }
    SQLITE_OK
}

unsafe extern "C" fn read(file: *mut sqlite3_file, buffer: *mut c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: the file is open, and the buffer has `len` bytes.
    let (open, buffer) =
        unsafe { (opened(file), std::slice::from_raw_parts_mut(buffer.cast::<u8>(), index(len))) };
    match open.disk.read(open.handle, index(at), buffer) {
        Ok(true) => SQLITE_OK,
        Ok(false) => SQLITE_IOERR_SHORT_READ,
        Err(_) => SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, bytes: *const c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: the file is open, and there are `len` bytes.
    let (open, bytes) = unsafe { (opened(file), std::slice::from_raw_parts(bytes.cast::<u8>(), index(len))) };
    code(open.disk.write(open.handle, index(at), bytes), SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, len: i64) -> c_int {
    // SAFETY: the file is open.
    let open = unsafe { opened(file) };
    code(open.disk.truncate(open.handle, index(len)), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: the file is open.
    let open = unsafe { opened(file) };
    code(open.disk.sync(open.handle), SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: the file is open, and `out` points to a number.
    unsafe {
        let open = opened(file);
        *out = i64::try_from(open.disk.len(open.handle)).expect("small");
    }
    SQLITE_OK
}

fn lock_of(level: c_int) -> Lock {
    match level {
        ffi::SQLITE_LOCK_NONE => Lock::None,
        ffi::SQLITE_LOCK_SHARED => Lock::Shared,
        ffi::SQLITE_LOCK_RESERVED => Lock::Reserved,
        ffi::SQLITE_LOCK_PENDING => Lock::Pending,
        _ => Lock::Exclusive,
    }
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: the file is open.
    let open = unsafe { opened(file) };
    code(open.disk.lock(open.handle, lock_of(level)), ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: the file is open.
    let open = unsafe { opened(file) };
    open.disk.unlock(open.handle, lock_of(level));
    SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: the file is open, and `out` points to a number.
    unsafe {
        let open = opened(file);
        *out = c_int::from(open.disk.is_reserved(open.handle));
    }
    SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    SECTOR_LEN
}

unsafe extern "C" fn device_characteristics(_: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    number: c_int,
    _: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: the file is open, and `out` points to a pointer.
    unsafe {
        let open = opened(file);
        let region = open.disk.region(open.handle, index(number), extend != 0);
        *out = region.map_or(std::ptr::null_mut(), <*mut u8>::cast);
    }
    SQLITE_OK
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: the file is open.
    let open = unsafe { opened(file) };
    let (take, exclusive) = (flags & ffi::SQLITE_SHM_LOCK != 0, flags & ffi::SQLITE_SHM_EXCLUSIVE != 0);
    code(open.disk.shm_lock(open.handle, first..first + count, take, exclusive), ffi::SQLITE_IOERR_SHMLOCK)
}

unsafe extern "C" fn shm_barrier(_: *mut sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: the file is open.
    let open = unsafe { opened(file) };
    open.disk.shm_unmap(open.handle);
    SQLITE_OK
}
