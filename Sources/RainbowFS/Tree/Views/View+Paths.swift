import RainbowCore

/// The paths of nodes, for sentences: as far as they can still be found out.
extension View {
    /// The path of its top from that of the mount; empty for the present.
    var topPath: String {
        switch source {
        case .present: ""
        case .snapshot(let snapshot): "snapshots/\(snapshot.name)"
        case .transaction(let transaction): "transactions/\(transaction.name)"
        }
    }

    /// The path from the top of this view; empty for the top itself, nil if it is not known.
    func path(of id: NodeID) -> String? {
        switch id.kind {
        case .fixed: fixedPath(id)
        case .object: LinkText.path(of: id.address)
        case .classLink: "\(LinkText.path(of: id.address))/class"
        case .rawLink: "\(LinkText.path(of: id.address))/raw"
        case .node: "nodes/\(id.part)"
        case .pendingClass: pendingClasses.find(id).map { "classes/\($0.name)" }
        case .region, .regionStatus, .allocator, .allocatorFile, .rawObject, .classFile, .name:
            try? examine { tx in try storedPath(id, &tx) }
        case .field: fieldPath(FieldFile(view: self, id: id))
        case .reference: fieldPath(ReferenceLink(view: self, id: id))
        case .referenceArray: fieldPath(ReferenceArrayDirectory(view: self, id: id))
        case .element, .alias, .systemAlias, .pendingLink, .pendingFile, nil: nil
        }
    }

    private func fixedPath(_ id: NodeID) -> String? {
        switch id.fixed {
        case nil: nil
        case .systemObjects?, .systemClasses?: id.fixed.map { "system/\($0.name)" }
        case let fixed?: fixed.name
        }
    }

    private func storedPath(_ id: NodeID, _ tx: inout Transaction) throws -> String? {
        switch id.kind {
        case .region: return "regions/\(try tx.region(number: id.part).name)"
        case .regionStatus: return "regions/\(try tx.region(number: id.part).name)/status"
        case .allocator: return try allocatorPath(id.address, &tx)
        case .allocatorFile:
            return "\(try allocatorPath(id.address, &tx))/\(AllocatorDirectory.fileName)"
        case .rawObject:
            guard let allocator = try tx.allocator(containing: id.address) else { return nil }
            let name = LinkText.rawName(id.address, try tx.descriptor(of: id.address))
            return "\(try allocatorPath(allocator.address, &tx))/\(name)"
        case .classFile:
            let descriptor = try tx.classDescriptor(at: id.address)
            return "\(descriptor.isSystem ? "system/" : "")classes/\(descriptor.name)"
        case .name: return "names/\(try tx.nameInfo(at: id.address).name)"
        default: return nil
        }
    }

    private func allocatorPath(_ address: Address, _ tx: inout Transaction) throws -> String {
        let allocator = try tx.allocator(at: address)
        return "regions/\(try tx.region(number: allocator.region).name)/\(allocator.name)"
    }

    private func fieldPath(_ node: some FieldNode) -> String? {
        guard let location = try? examine({ tx in try node.location(&tx) }) else { return nil }
        return "\(LinkText.path(of: location.object))/\(location.field.name)"
    }
}
