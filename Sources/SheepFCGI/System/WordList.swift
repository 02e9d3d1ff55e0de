import Glibc

/// Words as exec takes them: C strings, and a null behind the last.
struct WordList: ~Copyable {
  /// For the call by `&`, which keeps them alive until it returns.
  var words: [UnsafeMutablePointer<CChar>?]

  init(_ words: [String]) {
    self.words = words.map { strdup($0) } + [nil]
  }

  deinit {
    for word in words { free(word) }
  }
}
