using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

public sealed class AllowedDifferencesTests
{
    [Fact]
    public void Every_row_of_the_table_names_a_step_that_there_is()
    {
        var steps = Scenario.All.Values.SelectMany(scenario => scenario.Steps.Select(step => $"{scenario.Name}/{step.Number}"));
        Assert.Empty(AllowedDifferences.Steps.Except(steps));
    }
}
