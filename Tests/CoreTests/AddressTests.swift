import RainbowCore
import Testing

@Suite struct AddressTests {
    @Test("An address names its region, page, line and byte")
    func parts() {
        let address = Address(0x0000_0080_0000_1040)
        #expect(address.region == 1)
        #expect(address.offset == 0x1040)
        #expect(address.description == "0x0000008000001040")
    }

    @Test("Any hexadecimal spelling is read", arguments: ["0x8000001040", "0X08000001040"])
    func spellings(text: String) {
        #expect(Address(text: text) == Address(0x80_0000_1040))
    }

    @Test("Other text is refused", arguments: ["", "0x", "8000", "0x-1", "0x+1", "0x1g"])
    func refused(text: String) {
        #expect(Address(text: text) == nil)
    }
}
