-- Sends the mammograms of a study to bacctl once no more images of it come. Research use only.
--
-- Orthanc calls OnStableStudy when a study has not changed for StableAge seconds. That happens again when results
-- come back, and when a late view comes: what was sent carries a mark, so that only new images are sent.

local NODE = 'bacctl'         -- the name in DicomModalities
local MARK = 4711             -- a user-defined metadata of instances (1024 to 65535)

local MAMMOGRAPHY = {
   ['1.2.840.10008.5.1.4.1.1.1.2'] = true,    -- for presentation
   ['1.2.840.10008.5.1.4.1.1.1.2.1'] = true,  -- for processing
}

local function is_marked(instance)
   for _, name in ipairs(ParseJson(RestApiGet('/instances/' .. instance .. '/metadata'))) do
      if name == tostring(MARK) then
         return true
      end
   end
   return false
end

function OnStableStudy(study, tags, metadata)
   local wanted = {}
   for _, instance in ipairs(ParseJson(RestApiGet('/studies/' .. study .. '/instances'))) do
      local kind = RestApiGet('/instances/' .. instance.ID .. '/metadata/SopClassUid')
      if MAMMOGRAPHY[kind] and not is_marked(instance.ID) then
         table.insert(wanted, instance.ID)
      end
   end
   if #wanted == 0 then
      return
   end
   local answer = RestApiPost('/modalities/' .. NODE .. '/store', DumpJson({ Resources = wanted }, true))
   local told = answer and answer ~= '' and ParseJson(answer) or nil
   if not told or told.FailedInstancesCount ~= 0 then
      print('mammograms of study ' .. study .. ' were not sent; send them again when the node is there')
      return
   end
   for _, instance in ipairs(wanted) do
      RestApiPut('/instances/' .. instance .. '/metadata/' .. MARK, 'sent')
   end
   print('sent ' .. #wanted .. ' mammograms of study ' .. study)
end
