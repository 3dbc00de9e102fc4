using AiFabric.Engine.Tokenization;
using AiFabric.Pretraining.Tokens;
using CsCheck;
using Xunit;

namespace AiFabric.Engine.Tests.Pretraining;

public sealed class BpeTrainerTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Most_frequent_pair_is_merged_first()
    {
        // In Sennrich's example: es (9 times), then est, lo (7), low, ...; here "ow" is counted before "est" has gathered its letters.
        var merges = Spell(new BpeTrainer(["low low low low low", "lower lower", "newest newest newest newest newest newest", "widest widest widest"]).Train(4));

        Assert.Equal(["e s", "es t", "l o", "lo w"], merges);
    }

    [Fact]
    public void Repeated_letters_do_not_confuse_the_counts()
    {
        var merges = Spell(new BpeTrainer(["aaaa aaaa aaaa aaaa"]).Train(3));

        Assert.Equal("a a", merges[0]);
        Assert.Equal("aa aa", merges[1]);
    }

    [Fact]
    public void Training_stops_when_no_pair_occurs_twice() => Assert.Empty(new BpeTrainer(["abcd"]).Train(10));

    [Fact]
    public void Written_tokenizer_loads_and_keeps_any_text()
    {
        var merges = new BpeTrainer(["the cat sat on the mat; the cat ate the rat, and that is that."]).Train(20);
        TokenizerWriter.Write(folder.Path, merges, 512);

        var tokenizer = HuggingFaceTokenizer.Load(folder.Path);

        Assert.Equal(256 + 2 + merges.Count, tokenizer.VocabularySize);
        Assert.Equal(1, tokenizer.BeginOfSequenceId);
        Assert.Equal(0, tokenizer.EndOfSequenceId);
        Assert.True(tokenizer.Encode("the cat sat").Length < "the cat sat".Length);
        Gen.String["the catsm\n é😀"].Sample(text => tokenizer.Decode(tokenizer.Encode(text)) == tokenizer.Decode(tokenizer.Encode(tokenizer.Decode(tokenizer.Encode(text)))));
    }

    private static List<string> Spell(IReadOnlyList<(int Left, int Right)> merges)
    {
        var pieces = Enumerable.Range(0, 256).Select(b => ByteAlphabet.CharacterOf((byte)b).ToString()).ToList();
        var spelled = new List<string>();
        foreach (var (left, right) in merges)
        {
            spelled.Add($"{pieces[left]} {pieces[right]}");
            pieces.Add(pieces[left] + pieces[right]);
        }
        return spelled;
    }
}
