using AiFabric.Engine.Weights.Families;

namespace AiFabric.Engine.Weights;

/// <summary>A model folder's <c>generation_config.json</c>, which may be absent. Its other fields are defaults of sampling, and those are the API's own here.</summary>
internal static class GenerationConfig
{
    private const string FileName = "generation_config.json";

    /// <summary>The tokens that end a text, beside those of <c>config.json</c>: chat models often name the end of a turn only here.</summary>
    /// <exception cref="CheckpointException">The file is there but unreadable, or its <c>eos_token_id</c> is neither a token id nor a list of them.</exception>
    public static IReadOnlyList<int> EndOfSequenceIds(string folder)
    {
        string path = Path.Combine(folder, FileName);
        return File.Exists(path) ? ConfigFields.Load(path).Ids("eos_token_id") : [];
    }
}
