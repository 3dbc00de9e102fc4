using System.Text;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Fuzzing;

/// <summary>Runs a check on generated inputs: the same ones every time, so that a failure is one for everybody.</summary>
internal static class Fuzz
{
    private const ulong Seed = 20_261_124;
    private const int ShownBytes = 400;

    // What a parser may allocate beside a multiple of what it reads: messages, exceptions, stacks.
    private const long AllocationBase = 1 << 20;
    private const long AllocationPerByte = 200;

    /// <summary>Checks a number of inputs.</summary>
    /// <param name="inputs">Where they come from.</param>
    /// <param name="cases">How many.</param>
    /// <param name="check">Throws when an input is not handled as documented.</param>
    public static void Run(Gen<byte[]> inputs, int cases, Action<byte[]> check)
    {
        var random = new PCG(1, Seed);
        for (int number = 0; number < cases; number++)
        {
            byte[] input = inputs.Generate(random, null, out _);
            try
            {
                check(input);
            }
            catch (Exception e)
            {
                throw new FuzzException($"Case {number}: {e.GetType().Name}: {e.Message}\n{Show(input)}", e);
            }
        }
    }

    /// <summary>Runs a parser and holds what it allocates against what it was given.</summary>
    /// <param name="inputBytes">Bytes it was given.</param>
    /// <param name="parse">The parser.</param>
    public static void Bounded(long inputBytes, Action parse)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        parse();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, AllocationBase + (inputBytes * AllocationPerByte));
    }

    private static string Show(byte[] input) =>
        Encoding.Latin1.GetString(input.AsSpan(0, Math.Min(input.Length, ShownBytes))) + "\n" + Convert.ToBase64String(input.AsSpan(0, Math.Min(input.Length, ShownBytes)));
}

/// <summary>An input was not handled as documented; the message holds it.</summary>
internal sealed class FuzzException(string message, Exception cause) : Exception(message, cause);
