/// The accounts of clients, of whom anybody can be one: bounded.
///
/// Those who have nothing running stand in a list in the order of their last request. Each change looks at its oldest two
/// and drops what need not be known any more, so there is never a long pause to clear up. At the bound the oldest goes
/// whatever it has used. Who has a stream running stays.
struct ClientTable: Sendable {
  private struct Entry: Sendable {
    var id: ClientID
    var account: QuotaAccount
    var older: Int32 = -1
    var newer: Int32 = -1
    var isListed = false
  }

  private let bound: Int
  private var entries: [Entry] = []
  private var free: [Int32] = []
  private var places: [ClientID: Int32] = [:]
  private var oldest: Int32 = -1
  private var newest: Int32 = -1

  init(bound: Int) {
    self.bound = bound
  }

  var count: Int { places.count }

  subscript(_ id: ClientID) -> QuotaAccount { places[id].map { entries[Int($0)].account } ?? QuotaAccount() }

  mutating func change(_ id: ClientID, at now: Instant, wall: Int, _ body: (inout QuotaAccount) -> Void) {
    let place = places[id] ?? add(id)
    takeOut(place)
    body(&entries[Int(place)].account)
    if entries[Int(place)].account.streams == 0 { putIn(place) }
    for _ in 0..<2 where oldest >= 0 && entries[Int(oldest)].account.isUnused(at: now, wall: wall) { drop(oldest) }
  }

  private mutating func add(_ id: ClientID) -> Int32 {
    if places.count >= bound, oldest >= 0 { drop(oldest) }
    let entry = Entry(id: id, account: QuotaAccount())
    let place: Int32
    if let known = free.popLast() {
      place = known
      entries[Int(place)] = entry
    } else {
      place = Int32(entries.count)
      entries.append(entry)
    }
    places[id] = place
    return place
  }

  private mutating func drop(_ place: Int32) {
    takeOut(place)
    places[entries[Int(place)].id] = nil
    free.append(place)
  }

  private mutating func putIn(_ place: Int32) {
    entries[Int(place)].isListed = true
    (entries[Int(place)].older, entries[Int(place)].newer) = (newest, -1)
    if newest >= 0 { entries[Int(newest)].newer = place } else { oldest = place }
    newest = place
  }

  private mutating func takeOut(_ place: Int32) {
    guard entries[Int(place)].isListed else { return }
    let (older, newer) = (entries[Int(place)].older, entries[Int(place)].newer)
    if older >= 0 { entries[Int(older)].newer = newer } else { oldest = newer }
    if newer >= 0 { entries[Int(newer)].older = older } else { newest = older }
    entries[Int(place)].isListed = false
  }
}
