package inject

// KeepUnchanged adds to a patch of ours what makes an update a no-op that, patched, changes nothing
// in metadata and spec: the live object's managedFields.
func KeepUnchanged(ops []Op, object, oldObject []byte) ([]Op, error) {
	return keepUnchanged(ops, object, oldObject)
}
