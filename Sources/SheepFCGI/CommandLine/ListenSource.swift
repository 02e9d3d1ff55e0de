/// Finds what to listen on: the first of the sources that gives a listener counts, and the others are left alone.
///
/// The process that we replace, `--listen`, systemd's descriptors, the launcher's descriptor 0, the file's `listen`.
struct ListenSource {
  let listeners: [Listener]
  /// What was wrong with descriptors that were not taken, one line each, for the log.
  let notes: [String]

  /// - Parameters:
  ///   - handed: what the process that we replace leaves to us.
  ///   - requested: the command line's addresses.
  /// - Returns: no listeners where no source gives one.
  static func find(
    handed: [Listener], requested: [ListenAddress], settings: Settings, environment: [String: String]
  ) throws(SystemError) -> ListenSource {
    guard handed.isEmpty else { return ListenSource(listeners: handed, notes: []) }
    guard requested.isEmpty else { return ListenSource(listeners: try create(requested, settings), notes: []) }
    let systemd = Inheritance.fromSystemd(environment)
    guard systemd.listeners.isEmpty else { return ListenSource(listeners: systemd.listeners, notes: systemd.notes) }
    let zero = Inheritance.fromDescriptorZero()
    let notes = systemd.notes + zero.notes
    guard zero.listeners.isEmpty else { return ListenSource(listeners: zero.listeners, notes: notes) }
    return ListenSource(listeners: try create(settings.listen, settings), notes: notes)
  }

  private static func create(_ addresses: [ListenAddress], _ settings: Settings) throws(SystemError) -> [Listener] {
    var listeners: [Listener] = []
    for address in addresses { listeners += try Listener.create(address, options: settings.listenOptions) }
    return listeners
  }

  /// Whether the launcher multiplies processes itself, by the contract of descriptor 0 (spawn-fcgi -F, multiwatch).
  var isDescriptorZero: Bool { listeners.contains { $0.raw == 0 && $0.isInherited } }

  static let help = """
    nowhere to listen: no --listen, no socket from systemd (LISTEN_FDS), no listening socket on descriptor 0, and no \
    `listen` in a configuration file. Start it in one of these ways:
      sheepfcgi serve --listen unix:/run/sheepfcgi/sheepfcgi.sock
      spawn-fcgi -s /run/sheepfcgi/sheepfcgi.sock -M 0660 -U www-data -G www-data -n -- /usr/bin/sheepfcgi
      systemd-socket-activate -l /run/sheepfcgi/sheepfcgi.sock -E HOLYSHEEP_API_KEY /usr/bin/sheepfcgi
    """
}
