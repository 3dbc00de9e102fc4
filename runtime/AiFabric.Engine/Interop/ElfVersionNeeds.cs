using System.Buffers.Binary;
using System.Text;

namespace AiFabric.Engine.Interop;

/// <summary>Reads and edits the symbol-version requirements (<c>.gnu.version_r</c>) of a 64-bit little-endian ELF library.</summary>
/// <remarks>Source: the ELF gABI, and the Linux Standard Base chapter on symbol versioning.</remarks>
internal static class ElfVersionNeeds
{
    private const int SegmentLoad = 1;
    private const int SegmentDynamic = 2;
    private const ulong DynamicEnd = 0;
    private const ulong DynamicStringTable = 5;
    private const ulong DynamicVersionNeeds = 0x6ffffffe;
    private const ulong DynamicVersionNeedCount = 0x6fffffff;
    private const ushort FlagWeak = 2;

    /// <summary>Marks every requirement for <paramref name="version"/> as weak, so that the dynamic loader accepts its absence.</summary>
    /// <param name="elf">The whole library, edited in place.</param>
    /// <param name="version">A symbol version such as <c>GLIBCXX_3.4.32</c>.</param>
    /// <returns>How many requirements were weakened: 0 when the library does not ask for that version or is not such an ELF file.</returns>
    public static int Weaken(Span<byte> elf, string version)
    {
        const int headerBytes = 64;
        if (elf.Length < headerBytes || !elf.StartsWith("\u007fELF"u8) || elf[4] != 2 || elf[5] != 1)
            return 0;
        var (strings, needs, count) = FindDynamicTables(elf);
        if (needs == 0)
            return 0;

        byte[] wanted = Encoding.ASCII.GetBytes(version + '\0');
        int weakened = 0;
        int need = needs;
        for (int i = 0; i < count; i++)
        {
            int auxiliary = need + (int)UInt32(elf, need + 8);
            for (int j = UInt16(elf, need + 2); j > 0; j--)
            {
                int name = strings + (int)UInt32(elf, auxiliary + 8);
                if (elf[name..].StartsWith(wanted))
                {
                    var flags = elf.Slice(auxiliary + 4, 2);
                    BinaryPrimitives.WriteUInt16LittleEndian(flags, (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(flags) | FlagWeak));
                    weakened++;
                }
                auxiliary += (int)UInt32(elf, auxiliary + 12);
            }
            need += (int)UInt32(elf, need + 12);
        }
        return weakened;
    }

    private static (int Strings, int Needs, int Count) FindDynamicTables(ReadOnlySpan<byte> elf)
    {
        var loads = new List<(ulong Address, ulong Offset, ulong Bytes)>();
        int dynamic = 0, dynamicBytes = 0;
        for (int i = 0; i < UInt16(elf, 56); i++)
        {
            int header = (int)UInt64(elf, 32) + (i * UInt16(elf, 54));
            switch (UInt32(elf, header))
            {
                case SegmentLoad:
                    loads.Add((UInt64(elf, header + 16), UInt64(elf, header + 8), UInt64(elf, header + 32)));
                    break;
                case SegmentDynamic:
                    dynamic = (int)UInt64(elf, header + 8);
                    dynamicBytes = (int)UInt64(elf, header + 32);
                    break;
            }
        }

        int strings = 0, needs = 0, count = 0;
        for (int entry = dynamic; entry < dynamic + dynamicBytes && UInt64(elf, entry) != DynamicEnd; entry += 16)
        {
            ulong value = UInt64(elf, entry + 8);
            switch (UInt64(elf, entry))
            {
                case DynamicStringTable: strings = FileOffset(loads, value); break;
                case DynamicVersionNeeds: needs = FileOffset(loads, value); break;
                case DynamicVersionNeedCount: count = (int)value; break;
            }
        }
        return (strings, needs, count);
    }

    private static int FileOffset(List<(ulong Address, ulong Offset, ulong Bytes)> loads, ulong address)
    {
        foreach (var load in loads)
        {
            if (address >= load.Address && address - load.Address < load.Bytes)
                return (int)(address - load.Address + load.Offset);
        }
        return (int)address;
    }

    private static ulong UInt64(ReadOnlySpan<byte> elf, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(elf[offset..]);

    private static uint UInt32(ReadOnlySpan<byte> elf, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(elf[offset..]);

    private static ushort UInt16(ReadOnlySpan<byte> elf, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(elf[offset..]);
}
